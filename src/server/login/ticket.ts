/**
 * Hand-off tickets: a logged-in program opens a session for the same user under another client (its H5 page, a web page) without
 * another login, or a browser comes back from WeChat. One use, 60 seconds, one client.
 */
import { hash } from 'node:crypto'
import type { Actor } from '../actor.ts'
import type { Client, Clients } from '../clients/clients.ts'
import type { Clock } from '../clock.ts'
import { randomToken, uuidv7 } from '../crypto/random.ts'
import type { Sealer } from '../crypto/seal.ts'
import { SealError } from '../crypto/seal.ts'
import { GatewayError, invalidField } from '../errors.ts'
import type { TokenReply } from '../sessions/token-reply.ts'
import type { Cache } from '../storage/cache.ts'
import type { OpenFor, ProvedIdentity, SignIn } from './sign-in.ts'

export const TICKET_SECONDS = 60
const PREFIX = 't1.'

export type Tickets = {
  /** A ticket for a session under that client. Throws A0400 for an unknown client, B0320 while the cache is down. */
  issue(parent: { userId: string; sid: string }, clientId: string): Promise<string>
  /** A ticket for just that session. Throws B0320 while the cache is down. */
  issueTo(kept: Kept): Promise<string>
  /** Opens that session. Throws A0223 when the ticket is unknown, used, expired or for another client; B0320 while the cache is down. */
  redeem(
    request: { ticket: string; appid?: string | undefined; device?: string | undefined },
    actor: Actor,
  ): Promise<TokenReply>
}

export type TicketParts = {
  cache: Cache
  sealer: Sealer
  clients: Clients
  clock: Clock
  signIn: SignIn
  openFor: OpenFor
}

/** The session that it opens: with the one it came from it ends, or it is the first of a person whom a platform has just named. */
export type Kept = { platform: string; appid: string; sid: string } & (
  | { parentSid: string }
  | { identity: ProvedIdentity; newUserId: string }
)

export function createTickets({ cache, sealer, clients, clock, signIn, openFor }: TicketParts): Tickets {
  // Of the ticket only its hash is kept: who reads the cache cannot redeem it.
  const keyOf = (ticket: string) => `ticket:${hash('sha256', ticket, 'base64url')}`
  const refused = (note: string) => new GatewayError('A0223', { note })

  async function take(ticket: string): Promise<Kept> {
    const key = keyOf(ticket)
    const sealed = await cache.get(key)
    // The one whose deletion finds it there has it.
    if (sealed === undefined || !(await cache.deleteIf(key, sealed)))
      throw refused('the ticket is unknown, used or expired')
    try {
      return JSON.parse(sealer.open(sealed, key)) as Kept
    } catch (error) {
      if (error instanceof SealError) throw refused('the ticket was sealed under an encryption key that is gone')
      throw error
    }
  }

  async function issueTo(kept: Kept): Promise<string> {
    const ticket = PREFIX + randomToken()
    await cache.set(keyOf(ticket), sealer.seal(JSON.stringify(kept), keyOf(ticket)), TICKET_SECONDS * 1000)
    return ticket
  }

  return {
    issueTo,
    async issue({ sid: parentSid }, clientId) {
      const client = clients.find(clientId)
      if (!client) throw invalidField('appid', 'is not a client of this gateway')
      return await issueTo({ parentSid, platform: client.platform, appid: client.id, sid: uuidv7(clock.now()) })
    },
    async redeem({ ticket, appid, device }, actor) {
      const kept = await take(ticket)
      const { sid } = kept
      if (appid !== undefined && appid !== kept.appid) throw refused('the ticket was made for another client')
      const client: Client = clients.of(kept)
      if ('identity' in kept) return await signIn({ client, device, actor }, async () => kept)
      return await openFor({ client, device, actor, sid, from: { parentSid: kept.parentSid } })
    },
  }
}
