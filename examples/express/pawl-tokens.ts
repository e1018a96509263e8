// Pawl's tokens in Express: `app.use(pawl({ issuer, audience, jwksUrl }))` sets `response.locals.pawl`, or answers 401.

import type { RequestHandler } from "express";
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from "jose";

const ACR = "urn:pawl:acr:totp";
const TEXTS = ["iss", "sub", "aud", "jti", "tid", "acr"];
const NUMBERS = ["iat", "nbf", "exp", "auth_time", "epoch"];

export interface Settings {
  issuer: string;
  audience: string;
  jwksUrl: string;
  /** Seconds that the login may be old. */
  maxAge?: number;
  clock?: () => number;
}

export function pawl(settings: Settings): RequestHandler {
  const url = new URL(settings.jwksUrl);
  // Keys live 5 minutes; an unknown one is asked for twice a minute at most.
  const keys = createRemoteJWKSet(url, { cacheMaxAge: 300_000, cooldownDuration: 30_000 });
  const clock = settings.clock ?? (() => Date.now() / 1000);
  return async (request, response, next) => {
    const refuse = (error: string) => {
      const age = settings.maxAge === undefined ? "" : `, max_age="${settings.maxAge}"`;
      response.set("WWW-Authenticate", `Bearer error="${error}", acr_values="${ACR}"${age}`).sendStatus(401);
    };
    const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
    if (token === undefined) return refuse("insufficient_user_authentication");
    const claims = await check(token, settings, keys, clock()).catch(() => undefined);
    if (claims === undefined) return refuse("invalid_token");
    const old = settings.maxAge !== undefined && clock() - (claims.auth_time as number) > settings.maxAge;
    if (old) return refuse("insufficient_user_authentication");
    response.locals.pawl = claims;
    next();
  };
}

export async function check(token: string, wanted: Settings, keys: JWTVerifyGetKey, now: number): Promise<JWTPayload> {
  const header = decodeProtectedHeader(token);
  const names = Object.keys(header).sort().join();
  if (names !== "alg,kid,typ" || header.typ !== "at+jwt") throw new Error("header");
  const { payload } = await jwtVerify(token, keys, { algorithms: ["ES256"], currentDate: new Date(now * 1000) });
  const claims = payload as Record<string, any>;
  const right =
    TEXTS.every((name) => typeof claims[name] === "string") &&
    NUMBERS.every((name) => Number.isInteger(claims[name])) &&
    claims.iss === wanted.issuer && claims.aud === wanted.audience &&
    claims.tid === wanted.issuer.split("/").at(-1) &&
    Math.max(claims.nbf, claims.iat) <= now + 5 && claims.auth_time <= claims.iat &&
    now < claims.exp && claims.exp <= claims.iat + 900 &&
    claims.acr === ACR && Array.isArray(claims.amr) && claims.amr.includes("otp");
  if (!right) throw new Error("claims");
  return payload;
}
