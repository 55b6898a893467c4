/** Section 10: what is sent by mistake or in malice, and what every reply owes to caches and browsers. */
import { expectNoTokens, expectRefused, expectSame, expectThat, inspect } from '../checks.ts'
import { type Answer, shown } from '../http.ts'
import type { Requirement, Section } from '../requirement.ts'
import type { SendOptions } from '../service.ts'
import { memberAt } from '../template.ts'
import { CODE2SESSION } from '../wechat.ts'
import type { World } from '../world.ts'
import { replies } from './http-replies.ts'

const MEGABYTE = 1 << 20

/** The fields that an error names. */
function fieldsOf({ profile }: World, answer: Answer): string[] {
  const fields = memberAt(answer.json, profile.error.fields)
  if (Array.isArray(fields)) return fields.map((field) => (typeof field === 'string' ? field : JSON.stringify(field)))
  return typeof fields === 'object' && fields !== null ? Object.keys(fields) : []
}

type Bodied = {
  name: string
  /** The member that matters, where it is known. */
  field: string | undefined
  post: (options: SendOptions) => Promise<Answer>
}

/** The requests of the profile that take a body from anybody. */
function bodied({ service, profile }: World): Bodied[] {
  const login: Bodied = {
    name: 'login',
    field: profile.login.codeField,
    post: (options) => service.login('unused', options),
  }
  const refresh: Bodied = {
    name: 'refresh',
    field: profile.refresh?.tokenField,
    post: (options) => service.refresh('unused', options),
  }
  return profile.refresh ? [login, refresh] : [login]
}

const requirements: Requirement[] = [
  {
    id: 'MPL-10.1',
    text: 'A body that cannot be read MUST be refused as an invalid request, never answered as a defect.',
    why: 'A 500 is an alarm; a caller who can raise it at will hides the real ones.',
    how: 'Broken JSON, nothing, a bare text, broken UTF-8, a BOM, NUL bytes, for login and refresh.',
    source: 'OWASP ASVS 5.0 16.5.1; RFC 8259',
    async check(world) {
      const bodies = [
        '{"code":',
        '',
        'code=x',
        '{"code":"x"}}',
        "{'code':'x'}",
        new Uint8Array([0xff, 0xfe, 0x7b]),
        '\u0000',
      ]
      for (const { name, post } of bodied(world))
        for (const body of bodies)
          expectRefused(
            world.service,
            await post({ body }),
            'invalidRequest',
            `${name} with the body ${inspect(String(body))}`,
          )
    },
  },
  {
    id: 'MPL-10.2',
    text: 'A body of wrong shape MUST be refused as an invalid request: a list, a number, null, nesting of a thousand levels, names such as __proto__, unpaired surrogates and NUL in texts.',
    why: 'Each of them was a 500, a polluted prototype or a dead event loop somewhere.',
    how: 'Each of them, for login and refresh.',
    source: 'OWASP ASVS 5.0 15.3.6; CWE-1321, CWE-674',
    async check(world) {
      const deep = `${'['.repeat(1000)}${']'.repeat(1000)}`
      const bodies = ['[]', '17', 'null', '"text"', 'true', deep, '{"__proto__":{"code":"x"}}', '{"constructor":1}']
      // Beside everything else that the request needs.
      const values = ['\ud800', 'a\u0000b', 'line\nbreak', '\u202e', { toString: 'x' }, [[]], 1e308]
      const expectNoDefect = (answer: Answer, what: string) =>
        expectRefused(world.service, answer, ['invalidRequest', 'refreshInvalid', 'codeInvalid'], what)
      for (const { name, field, post } of bodied(world)) {
        for (const body of bodies) expectNoDefect(await post({ body }), `${name} with ${body.slice(0, 40)}`)
        for (const value of field === undefined ? [] : values)
          expectNoDefect(await post({ extra: { [String(field)]: value } }), `${name} with ${JSON.stringify(value)}`)
      }
    },
  },
  {
    id: 'MPL-10.3',
    text: 'A refusal of a field SHOULD name the field.',
    why: 'Whoever writes a client reads it instead of the source.',
    how: 'A login without its code, a refresh without its token.',
    source: 'RFC 9457 section 3.2 (errors)',
    needs: ['fields'],
    async check(world) {
      for (const { field, post } of bodied(world)) {
        if (field === undefined) continue
        const fields = fieldsOf(world, await post({ body: '{}' }))
        expectThat(
          fields.some((each) => each.includes(field)),
          `the field ${field} named`,
          inspect(fields),
        )
      }
    },
  },
  {
    id: 'MPL-10.4',
    text: 'A body that is not declared as JSON MUST be refused with 415.',
    why: 'text/plain and forms can be sent by any web page without asking (a "simple request").',
    how: 'A good body as text/plain, as a form, as multipart and without a type.',
    source: 'OWASP ASVS 5.0 4.1.1; RFC 9110 section 15.5.16; Fetch standard (CORS-safelisted)',
    async check(world) {
      const { service, profile } = world
      if (profile.login.form !== undefined) return
      for (const type of [
        'text/plain',
        'application/x-www-form-urlencoded',
        'multipart/form-data; boundary=x',
        'application/jsonp',
      ]) {
        const code = await world.codeOf(world.someone())
        const answer = await service.login(code, { headers: { 'content-type': type } })
        expectSame(`status for ${type}`, answer.status, 415)
        expectNoTokens(service, answer, `a login as ${type}`)
      }
      const body = new TextEncoder().encode('{"code":"unused"}')
      expectSame(
        'status without a type',
        (await service.login('', { body, headers: { 'content-type': '' } })).status,
        415,
      )
    },
  },
  {
    id: 'MPL-10.5',
    text: 'A body of a megabyte MUST be refused with 413, whether its length is declared or not.',
    why: 'A login is a few hundred bytes; memory is for everybody.',
    how: 'Two megabytes with Content-Length and in chunks, for login and refresh.',
    source: 'OWASP API4:2023; RFC 9110 section 15.5.14',
    async check(world) {
      const text = JSON.stringify({ code: 'x'.repeat(2 * MEGABYTE) })
      for (const { name, post } of bodied(world)) {
        expectSame(`status of ${name} with 2 MB`, (await post({ body: text })).status, 413)
        const chunks = new ReadableStream<Uint8Array>({
          start(controller) {
            for (let at = 0; at < 32; at += 1) controller.enqueue(new Uint8Array(MEGABYTE / 16).fill(0x20))
            controller.close()
          },
        })
        const answer = await post({ body: chunks, headers: { 'content-type': 'application/json' } })
        // A server may also cut the connection of a sender that does not stop.
        expectThat(answer.status === 413 || answer.status === 0, `413 for ${name} in chunks`, shown(answer))
      }
    },
  },
  {
    id: 'MPL-10.6',
    text: 'Another method on a path, or an unknown path, MUST be answered 404 or 405, and a GET MUST NOT log in.',
    why: 'A code in a URL stands in every log; a prefetching browser would log in.',
    how: 'GET with ?code= and a good code, PUT, DELETE, PATCH; a path that is not there.',
    source: 'RFC 9110 section 15.5.6; OWASP ASVS 5.0 14.2.1',
    async check(world) {
      const { service, wechat, profile } = world
      const code = await world.codeOf(world.someone())
      for (const method of ['GET', 'PUT', 'DELETE', 'PATCH']) {
        const path = `${profile.login.path}?code=${encodeURIComponent(code)}`
        const body = method === 'GET' ? undefined : JSON.stringify({ code })
        const answer = await service.login(code, { method, path, body })
        expectThat([404, 405].includes(answer.status), `404 or 405 for ${method}`, shown(answer))
      }
      expectSame('calls of code2Session', (await wechat.calls(CODE2SESSION)).length, 0)
      for (const path of [
        '/no-such-path',
        `${profile.login.path}/more`,
        '/constructor',
        '/..%2f..%2fetc/passwd',
        '/%00',
      ]) {
        const answer = await service.get(path)
        expectThat(answer.status >= 400 && answer.status < 500, `4xx for ${path}`, shown(answer))
      }
    },
  },
]

export const httpManners: Section = {
  title: 'HTTP',
  about: 'Whatever is sent: the right refusal, never a defect, and nothing done.',
  requirements: [...requirements, ...replies],
}
