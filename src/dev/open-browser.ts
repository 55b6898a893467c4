/** Opens a page in the user's browser, where there is one. */
import { spawn } from 'node:child_process'

const OPENERS: Partial<Record<NodeJS.Platform, string>> = { darwin: 'open', win32: 'explorer', linux: 'xdg-open' }

/** `BROWSER` names a program of one's own. Whether it works out is told by `onFailure`, later. */
export function openBrowser(url: string, onFailure: (reason: string) => void): void {
  const program = process.env.BROWSER || OPENERS[process.platform]
  if (!program) {
    onFailure(`no browser is known here: open ${url} yourself`)
    return
  }
  const child = spawn(program, [url], { stdio: 'ignore', detached: true })
  child.once('error', () => onFailure(`${program} does not start: open ${url} yourself, or name a browser in BROWSER`))
  child.unref()
}
