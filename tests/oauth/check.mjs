// openid-client and oauth4webapi against a Pawl: discovery, private_key_jwt, and what a refusal shows.
// Its environment: ISSUER, CLIENT, KEY and OTHER_KEY, two private JWKs, of which the first is registered.
import assert from 'node:assert/strict'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'

const { ISSUER, CLIENT, KEY, OTHER_KEY } = process.env
const issuer = new URL(ISSUER)
const es256 = { name: 'ECDSA', namedCurve: 'P-256' }
const imported = (jwk) => crypto.subtle.importKey('jwk', JSON.parse(jwk), es256, false, ['sign'])
const [key, otherKey] = await Promise.all([KEY, OTHER_KEY].map(imported))
// RFC 8414, and the address that OpenID Connect clients ask.
const algorithms = ['oauth2', 'oidc']

const expire = (_header, payload) => {
  payload.iat -= 600
  payload.nbf -= 600
  payload.exp = Math.floor(Date.now() / 1000) - 60
}

async function withOpenidClient(authentication, algorithm) {
  const options = { algorithm, execute: [openid.allowInsecureRequests] }
  const config = await openid.discovery(issuer, CLIENT, undefined, authentication, options)
  return openid.clientCredentialsGrant(config)
}

async function withOauth4webapi(authentication, algorithm) {
  const insecure = { [oauth.allowInsecureRequests]: true }
  const found = await oauth.discoveryRequest(issuer, { algorithm, ...insecure })
  const server = await oauth.processDiscoveryResponse(issuer, found)
  const client = { client_id: CLIENT }
  const answer = await oauth.clientCredentialsGrantRequest(server, client, authentication, {}, insecure)
  return oauth.processClientCredentialsResponse(server, client, answer)
}

const libraries = [
  ['openid-client', withOpenidClient, openid],
  ['oauth4webapi', withOauth4webapi, oauth],
]
for (const [name, grant, library] of libraries) {
  for (const algorithm of algorithms) {
    const tokens = await grant(library.PrivateKeyJwt(key), algorithm)
    assert.match(tokens.access_token, /^pawl_at_/)
    assert.equal(tokens.expires_in, 300)
  }
  const refused = async (authentication, description) => {
    const error = await grant(authentication, 'oauth2').then(() => assert.fail('a token'), (error) => error)
    assert.equal(error.error, 'invalid_client', `${name}: ${error.code} ${error.message}`)
    assert.match(error.error_description, description)
    console.log(`${name}: invalid_client: ${error.error_description}`)
  }
  await refused(library.PrivateKeyJwt(otherKey), /^no live key of a client of this id made this signature/)
  const expired = { [library.modifyAssertion]: expire }
  await refused(library.PrivateKeyJwt(key, expired), /^exp is in the past/)
  console.log(`${name}: discovery, token and refusals`)
}
