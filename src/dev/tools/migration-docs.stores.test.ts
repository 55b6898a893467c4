/** The SQL of docs/migration.md, run as it is printed: whom it brings along logs in as the same user. */
import { readFileSync } from 'node:fs'
import { decodeJwt } from 'jose'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../testing/test-gateway.ts'

const APPID = 'wx0123456789abcdef'
const [, statements = ''] = /```sql\n(.*?)```/s.exec(readFileSync('docs/migration.md', 'utf8')) ?? []

describe.runIf(inject('stores') === 'real')('users of the original', () => {
  let gateway: TestGateway
  let client: pg.Client
  beforeAll(async () => {
    const secret = 'secret-of-the-migrated-app'
    gateway = await startTestGateway({
      environment: { WECHAT_APPID: APPID, WECHAT_SECRET: secret },
      apps: [{ appid: APPID, secret }],
    })
    client = new pg.Client({ connectionString: gateway.stores.databaseUrl })
    await client.connect()
    await client.query(`create schema django;
      create table django.users_user (id serial, username text, nickname text, email text, address text, signature text,
        date_joined timestamptz default now(), last_login timestamptz)`)
  })
  afterAll(async () => {
    await client?.end()
    await gateway?.close()
  })

  test('keep their name and date, log in as themselves, and are not brought along twice', async () => {
    const openid = gateway.simulator.openidOf(APPID, 'old hand')
    await client.query(
      "insert into django.users_user (username, nickname, date_joined) values ($1, 'Band', '2020-05-01Z')",
      [openid],
    )
    await client.query(statements)
    await client.query(statements)
    const { rows } = await client.query('select id, created_at from users')
    expect(rows).toHaveLength(1)
    const { body } = await gateway.login('old hand')
    expect(body.data).toMatchObject({ user_id: rows[0].id, nickname: 'Band', is_new_user: false })
    expect(rows[0].created_at).toEqual(new Date('2020-05-01Z'))
    const known = await client.query('select id from django.users_user')
    const integerId = String(known.rows[0].id)
    expect(decodeJwt(body.data.token).external_id).toBe(integerId)
    const verified = await gateway.internalApp.request('/verify', {
      headers: { authorization: `Bearer ${body.data.token}` },
    })
    expect([verified.status, verified.headers.get('x-auth-external-id')]).toEqual([200, integerId])
  })
})
