/** The introduction of the API description: envelope, tokens and the table of codes, in CommonMark. */
import { errorCodes } from '../errors.ts'

const table = Object.entries(errorCodes).map(([code, { status, en }]) => `| ${status} | \`${code}\` | ${en} |`)

export const introduction = `
**Two listeners.** Mini programs and browsers call the public one (\`/api\`, \`/.well-known\`, \`/oauth2/token\`). Operators and services call the
internal one (\`/admin\`, \`/internal\`, \`/oauth2/introspect\`, \`/verify\`), which is never exposed to the internet. A call of this page goes to the
listener that answers it; where that is another origin than the page's, the gateway must name the page's origin in \`WEB_ORIGINS\`.

**Envelope.** JSON in, JSON out. Success is HTTP 200 with \`{"code":"00000","msg":"…","data":…}\`. A failure has the right HTTP status, a code of the
table below, a \`msg\` that may be shown to the user (Chinese, or English by \`Accept-Language\`), \`data: null\`, and \`request_id\`, which is also the
header \`X-Request-Id\`. \`A0400\` adds \`fields\`: each wrong field and why.

**Tokens.** \`POST /api/login\` exchanges a fresh \`wx.login\` code for an access token and a refresh token. Send the access token as
\`Authorization: Bearer …\`; every service verifies it by itself with the keys of \`/.well-known/jwks.json\`. Before it expires, exchange the refresh
token at \`POST /api/refresh\`; the reply has a new one. Operators and services send a secret of \`ADMIN_TOKENS\` as bearer, with the scope that is
named at each call.

| HTTP | code | when |
|---|---|---|
${table.join('\n')}
`.trim()
