/** A small page for people: no script, no outside asset, light and dark. */
import { type GatewayContext, languageOf, rawReply } from './context.ts'

const style = `body{font:16px/1.6 system-ui,sans-serif;max-width:32rem;margin:10vh auto;padding:0 1rem;color:#1b1b1b;background:#fff}
code{font-size:2rem;letter-spacing:.15em}img{max-width:100%;background:#fff}@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}}`

/** `body` is HTML: whatever in it came from outside has been through `asText`. Pictures may come from this very origin. */
export function htmlPage(
  c: GatewayContext,
  { title, body, status = 200 }: { title: string; body: string; status?: number },
): Response {
  const html = `<!doctype html><html lang="${languageOf(c) === 'zh' ? 'zh-CN' : 'en'}"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>${asText(title)}</title><style>${style}</style>
<main><h1>${asText(title)}</h1>${body}</main></html>`
  return rawReply(c, html, {
    status,
    headers: {
      'Content-Type': 'text/html; charset=UTF-8',
      'Cache-Control': 'no-store',
      'Content-Security-Policy':
        "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
      'Referrer-Policy': 'no-referrer',
    },
  })
}

const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
export const asText = (text: string): string => text.replaceAll(/[&<>"]/g, (letter) => escapes[letter] ?? letter)
