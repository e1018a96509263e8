// The whole story with openapi-fetch, typed by openapi-typescript.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { setTimeout } from "node:timers/promises";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Schemas = components["schemas"];

const { PAWL_BASE_URL: baseUrl = "", CONSOLE_ISSUER: issuer = "" } = process.env;
const { CONSOLE_KEY: clientKey = "", ADMIN_SECRET: adminSecret = "" } = process.env;

const connect = (credential: string) =>
  createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${credential}` } });

/** The answer, or the problem as an error. */
function expect<T>({ data, error }: { data?: T; error?: Schemas["Problem"] }): T {
  if (data === undefined) throw new Error(error ? `${error.code}: ${error.detail}` : "no answer");
  return data;
}

/** What the phone shows. */
const showCode = (secret: string) => execFileSync("oathtool", ["--totp", "--base32", secret], { encoding: "utf8" }).trim();

/** A code works once. */
const waitForTheNextCode = () => setTimeout(30_000 - (Date.now() % 30_000));

const client = connect(clientKey);

/** The console checked the password; what now? */
async function logIn(user: string, ...audiences: string[]): Promise<Schemas["Evaluation"]> {
  const primary_login = { method: "password", at: new Date().toISOString() } as const;
  const body = { external_id: user, display_name: user, audiences, primary_login };
  return expect(await client.POST("/v1/evaluations", { body }));
}

async function confirm(enrollment: string, secret: string): Promise<Schemas["EnrollmentConfirmed"]> {
  return expect(await client.POST("/v1/enrollments/confirm", { body: { enrollment, code: showCode(secret) } }));
}

// The first administrator's secret was printed at the first start.
let decision = await logIn("admin", "console", issuer);
assert(decision.decision === "enroll" && decision.enrollment);
const administrator = await confirm(decision.enrollment.handle, adminSecret);
const token = administrator.tokens.find(({ audience }) => audience === issuer);
assert(token);
const person = connect(token.access_token);

// A user whom Pawl does not know yet.
decision = await logIn("ada", "console");
assert(decision.decision === "enroll" && decision.challenge);
const ada = decision.user_id;
const shown = expect(await client.POST("/v1/enrollments", { body: { challenge: decision.challenge.handle } }));
assert.equal((await confirm(shown.enrollment, shown.secret)).recovery_codes.length, 10);
console.log("step enroll");

await waitForTheNextCode();
decision = await logIn("ada", "console");
assert(decision.decision === "challenge");
const code = { challenge: decision.challenge.handle, code: showCode(shown.secret) };
const verification = expect(await client.POST("/v1/challenges/verify", { body: code }));
assert.equal(verification.tokens[0]?.audience, "console");
console.log("step verify");

const { error: problem } = await client.POST("/v1/users/{user_id}/mfa/disable", {
  params: { path: { user_id: ada } },
  body: { petition: true, reason: "my phone is at home today" },
});
assert(problem?.code === "mfa-disable-refused" && problem.petition_id);
assert.equal(problem.type, "urn:pawl:problem:mfa-disable-refused");
console.log("step refuse");

// The step-up carries the whole act; the operation carries the same again, with the proof.
const override: Schemas["RequestOverride"] = {
  user_id: ada,
  kind: "exempt",
  audiences: ["console"],
  reason: "phone forgotten, seen in person",
  expires_at: new Date(Date.now() + 3_600_000).toISOString(),
};
const act = { operation: "requestOverride", body: override } as const;
const { challenge } = expect(await person.POST("/v1/step-ups", { body: act }));
const proof = { challenge: challenge.handle, code: showCode(adminSecret) };
const result = expect(await person.POST("/v1/overrides", { body: { ...override, proof } }));
assert.equal(result.override.state, "approved" satisfies Schemas["OverrideState"]);
assert.equal((await logIn("ada", "console")).decision, "exempt" satisfies Schemas["Evaluation"]["decision"]);
console.log("step override");

const events: Schemas["Event"][] = [];
let query: NonNullable<paths["/v1/events"]["get"]["parameters"]["query"]> = { limit: 5 };
let pages = 0;
for (;;) {
  const page = expect(await person.GET("/v1/events", { params: { query } }));
  if (page.items.length === 0 || !page.next_cursor) break;
  events.push(...page.items);
  query = { limit: 5, cursor: page.next_cursor };
  pages += 1;
}
const kinds = new Set(events.map(({ kind }) => kind));
assert(pages > 1 && new Set(events.map(({ id }) => id)).size === events.length);
assert(kinds.has("disable.refused") && kinds.has("override.approved"));
console.log("step list");
