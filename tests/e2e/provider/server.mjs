// A certified OpenID provider (npm `oidc-provider`) on a free port of loopback, and a client of it, both for tests/e2e/provider.rs.
// The first line on standard output is the address. Under `/test/` is the client: it gets tokens from the provider and makes proofs
// with `jose`, so that nothing of countersign judges itself.
import { createHash, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { SignJWT, calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose';
import { Provider } from 'oidc-provider';

const RESOURCE = 'https://orders.example.com';
const CLIENT = { id: 'shop', secret: 'the-secret-of-the-shop-client-0123456789' };
const BOUND = { id: 'vault', secret: 'the-secret-of-the-vault-client-0123456789' };
const RESOURCE_SERVER = { id: 'countersign', secret: 'the-secret-of-countersign-0123456789abcd' };

async function signingKey() {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  return { ...(await exportJWK(privateKey)), kid: randomUUID(), alg: 'ES256', use: 'sig' };
}

function configuration(keys) {
  const client = ({ id, secret }, more) => ({
    client_id: id, client_secret: secret, grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
    token_endpoint_auth_method: 'client_secret_basic', ...more,
  });
  return {
    jwks: { keys },
    clients: [client(CLIENT), client(RESOURCE_SERVER), client(BOUND, { tls_client_certificate_bound_access_tokens: true })],
    scopes: ['orders:read'],
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true },
      dPoP: { enabled: true },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        getCertificate: (ctx) => {
          const pem = ctx.get('x-test-certificate');
          return pem ? Buffer.from(pem, 'base64').toString() : undefined;
        },
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: 'orders:read', audience: RESOURCE, accessTokenTTL: 300, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  };
}

let issuer;
let keys = [await signingKey()];
let handle;
const dpop = await generateKeyPair('ES256', { extractable: true });

async function start() {
  handle = new Provider(issuer, configuration(keys)).callback();
}

// RFC 9449 section 4.2.
async function proof(method, url, token) {
  const claims = { jti: randomUUID(), htm: method, htu: url };
  if (token) claims.ath = createHash('sha256').update(token).digest('base64url');
  const { kty, crv, x, y } = await exportJWK(dpop.publicKey);
  return new SignJWT(claims).setIssuedAt().setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: { kty, crv, x, y } }).sign(dpop.privateKey);
}

async function ask(path, parameters, headers, { id, secret } = CLIENT) {
  const response = await fetch(`${issuer}${path}`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`, ...headers },
    body: new URLSearchParams(parameters),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  return text ? JSON.parse(text) : {};
}

const client = {
  // `kind`: jwt, opaque, dpop or certificate (then `certificate` is base64 of PEM).
  async token({ kind, certificate }) {
    const parameters = { grant_type: 'client_credentials', scope: 'orders:read' };
    if (kind !== 'opaque') parameters.resource = RESOURCE;
    const headers = {};
    if (kind === 'dpop') headers.dpop = await proof('POST', `${issuer}/token`);
    if (kind === 'certificate') headers['x-test-certificate'] = certificate;
    return (await ask('/token', parameters, headers, kind === 'certificate' ? BOUND : CLIENT)).access_token;
  },
  proof: ({ method, url, token }) => proof(method, url, token),
  async revoke({ token }) {
    await ask('/token/revocation', { token }, {});
    return 'revoked';
  },
  // The new key signs from now on; the old ones stay published unless `alone`.
  async rotate({ alone }) {
    keys = [await signingKey(), ...(alone ? [] : keys)];
    await start();
    return keys[0].kid;
  },
};

const server = createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, issuer);
  const own = pathname.startsWith('/test/') && client[pathname.slice('/test/'.length)];
  if (!own) return handle(request, response);
  try {
    response.end(await own(Object.fromEntries(searchParams)));
  } catch (error) {
    response.writeHead(500).end(String(error));
  }
});
server.listen(0, '127.0.0.1', async () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  await start();
  console.log(issuer);
});
// It ends with the test that started it.
process.stdin.resume().on('end', () => process.exit(0));
