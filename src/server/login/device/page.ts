/** The small page behind `verification_uri`: no script, no outside asset, in Chinese or English. */
import { type GatewayContext, languageOf, rawReply } from '../../http/context.ts'

const words = {
  zh: {
    title: '扫码登录',
    how: '请在手机上打开小程序，进入「确认登录」，输入设备上显示的代码。',
    code: '代码',
    warn: '只确认你自己正在登录的设备。',
  },
  en: {
    title: 'Log in on a device',
    how: 'Open the mini program on your phone, go to “Confirm login”, and enter the code that the device shows.',
    code: 'Code',
    warn: 'Confirm only a device that you yourself are logging in on.',
  },
}

const style = `body{font:16px/1.6 system-ui,sans-serif;max-width:32rem;margin:10vh auto;padding:0 1rem;color:#1b1b1b;background:#fff}
code{font-size:2rem;letter-spacing:.15em}@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}}`

export function devicePage(c: GatewayContext, userCode: string | undefined): Response {
  const language = languageOf(c)
  const { title, how, code, warn } = words[language]
  // The schema lets eight to twenty characters through; only letters and hyphens are shown.
  const shown = userCode && /^[A-Za-z-]+$/.test(userCode) ? userCode.toUpperCase() : undefined
  const body = shown ? `<p>${code}</p><p><code>${shown}</code></p>` : ''
  const html = `<!doctype html><html lang="${language === 'zh' ? 'zh-CN' : 'en'}"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>${title}</title><style>${style}</style>
<main><h1>${title}</h1><p>${how}</p>${body}<p>${warn}</p></main></html>`
  return rawReply(c, html, {
    headers: {
      'Content-Type': 'text/html; charset=UTF-8',
      'Cache-Control': 'no-store',
      'Content-Security-Policy':
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
      'Referrer-Policy': 'no-referrer',
    },
  })
}
