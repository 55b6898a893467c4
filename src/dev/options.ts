/** The flags of `npm run dev`. */
import { UsageError } from '../server/cli/command.ts'
import { parseFlags, wholeNumber } from '../server/cli/flags.ts'

export const help = `Usage: npm run dev -- [options]

  --port <n>         public listener, default 8080
  --host <address>   its address, default 127.0.0.1; 0.0.0.0 lets a phone in, and whoever else is in your network
  --admin-port <n>   internal listener, default 9090
  --wechat-port <n>  simulated WeChat, default 8081
  --data <folder>    where the database and the keys are kept, default ./.data
  --seed             begin with a few users: sessions on several devices, one user suspended
  --log <form>       lines: one readable line a request (default); json: the lines of production
  --open             open the playground in the browser
  --help             this text

Any variable of docs/configuration.md may be set too, except the stores. With the real WeChat instead of the simulated one:
WECHAT_APPID=wx… WECHAT_SECRET=… WECHAT_API_BASE=https://api.weixin.qq.com npm run dev`

export type Options = {
  port: number
  host: string
  adminPort: number
  wechatPort: number
  data: string
  seed: boolean
  log: 'lines' | 'json'
  open: boolean
  help: boolean
}

const isLogForm = (text: string): text is Options['log'] => text === 'lines' || text === 'json'

/** Throws UsageError. */
export function readOptions(args: string[]): Options {
  const { values } = parseFlags(
    {
      port: { type: 'string', default: '8080' },
      host: { type: 'string', default: '127.0.0.1' },
      'admin-port': { type: 'string', default: '9090' },
      'wechat-port': { type: 'string', default: '8081' },
      data: { type: 'string', default: './.data' },
      seed: { type: 'boolean', default: false },
      log: { type: 'string', default: 'lines' },
      open: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
    { args },
  )
  const { host, data, seed, log, open, help } = values
  if (!isLogForm(log)) throw new UsageError(`--log is lines or json, not "${log}"`)
  if (data === '') throw new UsageError('--data is the name of a folder')
  const port = (name: 'port' | 'admin-port' | 'wechat-port') => {
    const number = wholeNumber(`--${name}`, values[name], 65_535)
    // The issuer has the port in its name, so it must be known before the system chooses one.
    if (number === 0) throw new UsageError(`--${name} is a number from 1 to 65535`)
    return number
  }
  const ports = { port: port('port'), adminPort: port('admin-port'), wechatPort: port('wechat-port') }
  if (new Set(Object.values(ports)).size < 3) throw new UsageError('--port, --admin-port and --wechat-port must differ')
  return { ...ports, host, data, seed, log, open, help }
}
