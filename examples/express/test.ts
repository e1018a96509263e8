// The published tokens through the middleware, over HTTP, with the key set from a real server.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import { pawl } from "./pawl-tokens.ts";

const vectors = JSON.parse(readFileSync(process.argv[2] ?? "../../tests/vectors/tokens.json", "utf8"));
const at = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const listening = (server: Server) => new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));

let asked = 0;
const keys = createServer((_, response) => {
  asked += 1;
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify(vectors.jwks));
});
await listening(keys);

const { issuer, audience, now } = vectors;
const settings = { issuer, audience, jwksUrl: `${at(keys)}/jwks.json`, clock: () => now };
const app = express();
app.get("/any", pawl(settings), (_, response) => void response.json(response.locals.pawl));
app.get("/fresh", pawl({ ...settings, maxAge: 5 }), (_, response) => void response.sendStatus(200));
const server = createServer(app);
await listening(server);

async function ask(path: string, token?: string): Promise<[number, string]> {
  const headers: Record<string, string> = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  const answer = await fetch(at(server) + path, { headers });
  return [answer.status, answer.headers.get("WWW-Authenticate") ?? ""];
}

for (const { name, token } of vectors.good) {
  assert.deepEqual(await ask("/any", token), [200, ""], name);
  const [status, challenge] = await ask("/fresh", token);
  assert.equal(status, 401);
  assert.ok(challenge.includes('error="insufficient_user_authentication", acr_values="urn:pawl:acr:totp", max_age="5"'));
}
for (const { name, token } of vectors.bad) {
  const [status, challenge] = await ask("/any", token);
  assert.equal(status, 401, name);
  assert.ok(challenge.includes('error="invalid_token"'), name);
}
const [status, challenge] = await ask("/any");
assert.ok(status === 401 && challenge.includes('error="insufficient_user_authentication"'));
assert.equal(asked, 2, "the key set is fetched once for each middleware");
console.log(`Express: ${vectors.good.length} passed, ${vectors.bad.length} refused`);
server.close();
keys.close();
