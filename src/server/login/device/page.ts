/** The small page behind `verification_uri`, in Chinese or English: the picture to scan, which code to confirm, and how. */
import { type GatewayContext, languageOf } from '../../http/context.ts'
import { htmlPage } from '../../http/page.ts'

const words = {
  zh: {
    title: '扫码登录',
    scan: '用微信扫一扫：',
    picture: '小程序码',
    how: '或者在手机上打开小程序，进入「确认登录」，输入设备上显示的代码。',
    code: '代码',
    warn: '只确认你自己正在登录的设备。',
  },
  en: {
    title: 'Log in on a device',
    scan: 'Scan with WeChat:',
    picture: 'Mini-program code',
    how: 'Or open the mini program on your phone, go to “Confirm login”, and enter the code that the device shows.',
    code: 'Code',
    warn: 'Confirm only a device that you yourself are logging in on.',
  },
}

/** `picture` is the URL of the code's picture, where there is one. */
export function devicePage(c: GatewayContext, userCode: string | undefined, picture: string | undefined): Response {
  const { title, scan, picture: alt, how, code, warn } = words[languageOf(c)]
  // The schema lets eight to twenty characters through; only letters and hyphens are shown.
  const shown = userCode && /^[A-Za-z-]+$/.test(userCode) ? userCode.toUpperCase() : undefined
  const body = shown ? `<p>${code}</p><p><code>${shown}</code></p>` : ''
  const image = picture ? `<p>${scan}</p><p><img src="${picture}" alt="${alt}" width="280" height="280"></p>` : ''
  return htmlPage(c, { title, body: `${image}<p>${how}</p>${body}<p>${warn}</p>` })
}
