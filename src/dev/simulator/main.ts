/** The simulator of WeChat, or of another platform, as a process of its own, for the integration tests of other teams: `npm run simulator`. */
import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { parseFlags, wholeNumber } from '../../server/cli/flags.ts'
import { type OtherPlatform, otherPlatforms } from '../../server/config/config.ts'
import { nearest } from '../../server/config/nearest.ts'
import { whyNotListening } from '../../server/serve/listeners.ts'
import { simulatePlatform } from './simulate.ts'
import { createWechatSimulator, type SimulatedApp } from './wechat.ts'
import { oauthKinds } from './wechat-people.ts'
import type { PushTarget } from './wechat-push.ts'

const HELP = `A simulated WeChat: its server API, and under /simulator a mini-program client to drive it.

  --port <n>                           8081; 0 takes a free one
  --host <address>                     127.0.0.1
  --app <appid:secret[:open platform]> repeatable; apps of one Open Platform account share unionids. With :page, :web or :app
                                       behind it an official account, a website or a native app (WeChat OAuth)
  --delay-ms <n>                       how long every answer takes; 0
  --platform <name>                    another platform instead of WeChat: ${otherPlatforms.join(', ')};
                                       its login codes are dev:alice:1, dev:alice:2, ...
  --push-url <url>                     where events are pushed to, {appid} stands for the app; with
  --push-token <Token>, --push-aes-key <EncodingAESKey> and perhaps --push-format xml
  --help

Login codes: POST /simulator/login {"person":"alice"}, or dev:alice:1, dev:alice:2, ... which need no request at all.
Phone codes: POST /simulator/phone-code, or dev-phone:alice:1. Every code is single use.
Events: POST /simulator/withdraw {"person":"alice","what":["phone"]}, /simulator/close-account, /simulator/clean-profile,
/simulator/push {"event":{...}}; /simulator/handshake asks the URL as WeChat's console does.
Also POST /simulator/oauth-code, /simulator/virtual-payment, /simulator/person, /simulator/user-info, /simulator/phone-data, /simulator/faults;
DELETE /simulator/faults, /simulator/stats; GET /simulator/stats, /simulator/calls.
`

const DEFAULT_APP: SimulatedApp = {
  appid: 'wx5151515151515151',
  secret: 'not-a-secret-of-anything-real-00',
  openPlatform: 'simulated',
}

function main(): void {
  const options = readOptions()
  if (process.env.NODE_ENV === 'production') {
    refuse('the simulator accepts anybody as anybody: it does not run with NODE_ENV=production\n')
  } else if (typeof options === 'string') refuse(`${options}\n`)
  else if (options.help) process.stdout.write(HELP)
  else start(options)
}

function start({
  host,
  port,
  apps,
  delayMs,
  platform,
  push,
}: {
  host: string
  port: number
  apps: SimulatedApp[]
  delayMs: number
  platform: OtherPlatform | undefined
  push: PushTarget | undefined
}): void {
  const other = platform && simulatePlatform(platform, apps, delayMs)
  const fetch = other ? other.simulator.fetch : createWechatSimulator({ apps, delayMs, push }).app.fetch
  const server = serve({ fetch, hostname: host, port }, (address) => {
    if (other) announcePlatform(address, other.simulator.platform, other.apps)
    else announce(address, apps)
  })
  server.on('error', (error) => {
    const reason = whyNotListening(error)
    process.stderr.write(`${reason ? `${reason}: choose another with --port` : `cannot listen: ${error.message}`}\n`)
    process.exitCode = 1
  })
  const stop = () => {
    server.close()
    if ('closeAllConnections' in server) server.closeAllConnections()
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}

function readOptions() {
  try {
    const { values } = parseFlags({
      port: { type: 'string', default: '8081' },
      host: { type: 'string', default: '127.0.0.1' },
      app: { type: 'string', multiple: true, default: [] },
      'delay-ms': { type: 'string', default: '0' },
      platform: { type: 'string' },
      'push-url': { type: 'string' },
      'push-token': { type: 'string' },
      'push-aes-key': { type: 'string' },
      'push-format': { type: 'string', default: 'json' },
      help: { type: 'boolean', default: false },
    })
    const apps = values.app.map(readApp)
    if (new Set(apps.map(({ appid }) => appid)).size < apps.length) throw new Error('--app: an appid is given twice')
    return {
      help: values.help,
      host: values.host,
      port: wholeNumber('--port', values.port, 65_535),
      delayMs: wholeNumber('--delay-ms', values['delay-ms'], 3_600_000),
      platform: values.platform === undefined ? undefined : readPlatform(values.platform),
      apps: apps.length > 0 ? apps : [DEFAULT_APP],
      push: readPush(values),
    }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function readApp(text: string): SimulatedApp {
  const [appid, secret, openPlatform, kindText, ...rest] = text.split(':')
  const kind = oauthKinds.find((name) => name === kindText)
  if (!appid || !secret || openPlatform === '' || kind !== kindText || rest.length > 0) {
    throw new Error(
      '--app is written appid:secret, appid:secret:open-platform or appid:secret:open-platform:page|web|app',
    )
  }
  return { appid, secret, openPlatform, kind }
}

type PushOptions = Partial<Record<'push-url' | 'push-token' | 'push-aes-key' | 'push-format', string | undefined>>

function readPush(values: PushOptions): PushTarget | undefined {
  const { 'push-url': url, 'push-token': token, 'push-aes-key': encodingAesKey, 'push-format': format } = values
  if (url === undefined && token === undefined && encodingAesKey === undefined) return undefined
  if (url === undefined || token === undefined || encodingAesKey === undefined)
    throw new Error('--push-url, --push-token and --push-aes-key are given together')
  if (!/^[A-Za-z0-9+/]{43}$/.test(encodingAesKey)) throw new Error('--push-aes-key has 43 letters and digits')
  if (!URL.canParse(url.replaceAll('{appid}', 'x'))) throw new Error('--push-url is a URL')
  if (format !== 'json' && format !== 'xml') throw new Error('--push-format is json or xml')
  return { url, token, encodingAesKey, format }
}

function readPlatform(text: string): OtherPlatform {
  const platform = otherPlatforms.find((name) => name === text)
  if (!platform) {
    const meant = nearest(text, otherPlatforms)
    throw new Error(`--platform is one of ${otherPlatforms.join(', ')}${meant ? `; did you mean ${meant}?` : ''}`)
  }
  return platform
}

const baseOf = ({ address, port, family }: AddressInfo): string =>
  `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`

/** What the gateway needs in its environment, and a code to begin with. */
function announcePlatform(
  address: AddressInfo,
  platform: OtherPlatform,
  apps: readonly Record<string, string>[],
): void {
  const base = baseOf(address)
  process.stdout.write(
    [
      `simulated ${platform}   ${base}`,
      '',
      `PLATFORM_API_BASES='${JSON.stringify({ [platform]: base })}'`,
      `APPS='${JSON.stringify(apps)}'`,
      '',
      `login code: dev:alice:${randomUUID().slice(0, 8)}`,
      '',
    ].join('\n'),
  )
}

function announce(address: AddressInfo, apps: readonly SimulatedApp[]): void {
  const base = baseOf(address)
  const [first] = apps
  const query = `appid=${first?.appid}&secret=${first?.secret}&grant_type=authorization_code`
  // A nonce nobody used before, so that the printed command works after every start.
  const code = `dev:alice:${randomUUID().slice(0, 8)}`
  process.stdout.write(
    [
      `simulated WeChat   ${base}   (set WECHAT_API_BASE to this)`,
      `its clients        ${base}/simulator/   (--help lists what they do)`,
      ...apps.map(
        ({ appid, openPlatform }) => `app                ${appid}   ${openPlatform ?? 'no Open Platform account'}`,
      ),
      '',
      `curl '${base}/sns/jscode2session?${query}&js_code=${code}'`,
      `curl ${base}/simulator/login -d '{"person":"alice"}'`,
      '',
    ].join('\n'),
  )
}

function refuse(reason: string): void {
  process.stderr.write(reason)
  process.exitCode = 2
}

main()
