/** Forms with a file as browsers and mini programs write them, for the tests of uploads. */
import { picture } from './pictures.ts'
import type { Reply, TestGateway } from './test-gateway.ts'

export type Form = { name?: string; filename?: string; type?: string; before?: string; after?: string }

/** A form with one file, as browsers and mini programs write it. */
export function form(
  file: Buffer,
  { name = 'file', filename = 'a.png', type = 'image/png', before = '', after = '' }: Form = {},
) {
  const disposition = `Content-Disposition: form-data; name="${name}"; filename="${filename}"`
  return {
    headers: { 'content-type': 'multipart/form-data; boundary=----x' },
    body: Buffer.concat([
      Buffer.from(`${before}------x\r\n${disposition}\r\nContent-Type: ${type}\r\n\r\n`),
      file,
      Buffer.from(`${after}\r\n------x--\r\n`),
    ]),
  }
}

export const part = (name: string) => `------x\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n1\r\n`
export const png = (width = 700, height = 300) => picture({ width, height }).png().toBuffer()
export const upload = (gateway: TestGateway, token: string, file: Buffer, how?: Form): Promise<Reply> =>
  gateway.call('PUT', '/api/user/avatar', { token, ...form(file, how) })

export async function signIn(gateway: TestGateway, person: string): Promise<{ token: string; userId: string }> {
  const { data } = (await gateway.login(person)).body
  return { token: data.token, userId: data.user_id }
}
