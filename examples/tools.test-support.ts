/** The programs the examples need beside Node: found on the machine, else installed from the distribution. */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, globSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

/** Either what was looked for, or in one sentence why it cannot be had. */
export type Found<T> = { found: T } | { missing: string }

/** Debian's own interpreter, with Debian's own PyJWT. Throws: this example must run wherever the tests do. */
export function findPython(): string {
  const works = (file: string) => spawnSync(file, ['-c', 'import cryptography, jwt']).status === 0
  const file = ['/usr/bin/python3', onPath('python3') ?? ''].find((candidate) => candidate !== '' && works(candidate))
  if (file !== undefined) return file
  install('python3', 'python3-jwt', 'python3-cryptography')
  if (works('/usr/bin/python3')) return '/usr/bin/python3'
  throw new Error('/usr/bin/python3 cannot import jwt and cryptography, though both are installed')
}

/** nginx with `auth_request`. Throws: this example must run wherever the tests do. */
export function findNginx(): string {
  const file = onPath('nginx')
  if (file !== undefined) return file
  install('nginx-light')
  return onPath('nginx') ?? fail('nginx-light is installed, but there is no nginx')
}

const GO_JWT = 'usr/share/gocode/src/github.com/golang-jwt/jwt'

/** Go, and the folder of the distribution's golang-jwt: so nothing is asked of Go's module proxy. */
export function findGo(): Found<{ file: string; jwtFolder: string }> {
  const look = () => {
    const file = onPath('go') ?? onPath('/usr/local/go/bin/go')
    const [jwtFolder] = globSync(`/${GO_JWT}/go.mod`).map((path) => join(path, '..'))
    return file !== undefined && jwtFolder !== undefined ? { file, jwtFolder } : undefined
  }
  try {
    if (!look()) install('golang-go', 'golang-github-golang-jwt-jwt-dev')
  } catch (error) {
    return { missing: error instanceof Error ? error.message : String(error) }
  }
  const found = look()
  return found ? { found } : { missing: 'there is no Go with golang-jwt' }
}

/** A JDK, and the jars of the example out of Maven's local repository, which Maven is asked to fill if need be. */
export function findJava(): Found<{ file: string; classPath: string }> {
  const file = onPath('java')
  if (file === undefined || onPath('javac') === undefined) return { missing: 'there is no JDK (java and javac)' }
  const jar = (pattern: string) =>
    globSync(join(homedir(), '.m2/repository', pattern))
      .sort()
      .at(-1)
  const look = () => {
    const jars = [jar('org/bitbucket/b_c/jose4j/*/jose4j-*.jar'), jar('org/slf4j/slf4j-api/*/slf4j-api-*.jar')]
    const there = jars.filter((path) => path !== undefined)
    return there.length === jars.length ? { found: { file, classPath: there.join(delimiter) } } : undefined
  }
  const found = look()
  if (found) return found
  const maven = onPath('mvn')
  if (maven === undefined) return { missing: "jose4j is not in Maven's local repository, and there is no Maven" }
  const fetched = spawnSync(maven, ['-q', '-B', 'dependency:get', '-Dartifact=org.bitbucket.b_c:jose4j:0.9.6'], {
    timeout: 30_000,
  })
  const reason =
    fetched.status === 0 ? 'Maven got jose4j, but its jar is not where it belongs' : 'Maven cannot get jose4j'
  return look() ?? { missing: reason }
}

function onPath(name: string): string | undefined {
  const directories = [
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/sbin',
    '/usr/local/sbin',
    '/opt/homebrew/bin',
  ]
  const candidates = name.startsWith('/') ? [name] : directories.map((directory) => join(directory, name))
  return candidates.find((file) => {
    try {
      accessSync(file, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

function install(...packages: string[]): void {
  const byHand = `sudo apt-get install ${packages.join(' ')}`
  if (process.getuid?.() !== 0 || onPath('apt-get') === undefined) fail(`this is needed first: ${byHand}`)
  const apt = (...command: string[]) =>
    spawnSync('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=60', ...command], {
      encoding: 'utf8',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
  const attempt = () => apt('install', '-y', '--no-install-recommends', ...packages)
  if (attempt().status === 0) return
  apt('update')
  const done = attempt()
  if (done.status !== 0) fail(`failed: ${byHand}: ${done.error?.message ?? done.stderr}`)
}

function fail(message: string): never {
  throw new Error(message)
}
