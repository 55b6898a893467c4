/** The command line of `npm run conformance`. */
import { parseArgs } from 'node:util'

export const help = `Tests a mini-program login service from outside against the requirements of conformance/README.md.

Usage: npm run conformance -- [options]

  Without --base this project's gateway is started: two replicas on PostgreSQL and Redis, and a simulated WeChat.
  --stores <real|embedded>   its stores; embedded starts faster and is one replica (default real)

  --base <url>               a running service instead; repeat it for each replica
  --internal <url>           its listener for operators and services, where the profile uses one
  --profile <file>           how the service spells things (default conformance/profiles/gateway.json)
  --set <name=value>         what the profile leaves open as {name}, such as an operator's token; repeatable
  --wechat-port <n>          the simulated WeChat is started here, with the apps of the profile (default 8081)
  --wechat <url>             or it runs there already: npm run simulator -- --app <appid:secret:platform> …

  --only <id>                one requirement, or several: MPL-3.1, MPL-3* ; repeatable
  --skip <id>                not these
  --strict                   a SHOULD that is not met fails the run too
  --patience <seconds>       how long one check may wait for time to pass (default 60)
  --junit <file>             writes JUnit XML beside the TAP on standard output
  --list                     prints the requirements and runs nothing
  --mutants                  breaks a copy of this gateway in one line at a time; each must be caught by its requirement
  --jobs <n>                 mutants at a time (default 2)
  --help

  A service that was told to use http://127.0.0.1:8081 as WeChat, with the apps of its profile:
    npm run conformance -- --base http://127.0.0.1:3000 --profile my-profile.json --set operator=$TOKEN --junit report.xml

  Exit code: 0 all met, 1 something not met, 2 cannot test (the reason is on standard error).
`

export type Options = {
  help: boolean
  list: boolean
  mutants: boolean
  strict: boolean
  stores: 'real' | 'embedded'
  bases: string[]
  internal: string | undefined
  profile: string
  values: Record<string, string>
  wechat: string | undefined
  wechatPort: number
  only: string[]
  skip: string[]
  junit: string | undefined
  patienceSeconds: number
  jobs: number
}

/** A mistake in the command line or the profile: the reader needs the sentence, not the stack. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'UsageError'
  }
}

export function readOptions(args: string[], defaultProfile: string): Options {
  const { values } = parsed(args)
  const { stores } = values
  if (stores !== 'real' && stores !== 'embedded') throw new UsageError('--stores is real or embedded')
  if (values.mutants && values.base.length > 0)
    throw new UsageError('--mutants breaks copies of this gateway: not with --base')
  return {
    help: values.help,
    list: values.list,
    mutants: values.mutants,
    strict: values.strict,
    stores,
    bases: values.base.map((url) => baseUrl('--base', url)),
    internal: values.internal === undefined ? undefined : baseUrl('--internal', values.internal),
    profile: values.profile ?? defaultProfile,
    values: Object.fromEntries(values.set.map(assignment)),
    wechat: values.wechat === undefined ? undefined : baseUrl('--wechat', values.wechat),
    wechatPort: wholeNumber('--wechat-port', values['wechat-port'], 65_535),
    only: values.only.flatMap((text) => text.split(',')),
    skip: values.skip.flatMap((text) => text.split(',')),
    junit: values.junit,
    patienceSeconds: wholeNumber('--patience', values.patience, 86_400),
    jobs: Math.max(1, wholeNumber('--jobs', values.jobs, 64)),
  }
}

function parsed(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        help: { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
        mutants: { type: 'boolean', default: false },
        strict: { type: 'boolean', default: false },
        stores: { type: 'string', default: 'real' },
        base: { type: 'string', multiple: true, default: [] },
        internal: { type: 'string' },
        profile: { type: 'string' },
        set: { type: 'string', multiple: true, default: [] },
        wechat: { type: 'string' },
        'wechat-port': { type: 'string', default: '8081' },
        only: { type: 'string', multiple: true, default: [] },
        skip: { type: 'string', multiple: true, default: [] },
        junit: { type: 'string' },
        patience: { type: 'string', default: '60' },
        jobs: { type: 'string', default: '2' },
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function baseUrl(name: string, text: string): string {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text))
    throw new UsageError(`${name} is a URL such as http://127.0.0.1:3000`)
  return text.replace(/\/+$/, '')
}

function assignment(text: string): [string, string] {
  const at = text.indexOf('=')
  if (at < 1) throw new UsageError('--set is written name=value')
  return [text.slice(0, at), text.slice(at + 1)]
}

function wholeNumber(name: string, text: string, max: number): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value > max) throw new UsageError(`${name} is a whole number up to ${max}`)
  return value
}
