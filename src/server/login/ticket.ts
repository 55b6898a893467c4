/**
 * Hand-off tickets: a logged-in program opens a session for the same user under another client (its H5 page, a web page) without
 * another login. One use, 60 seconds, one client; the new session ends with the one it came from.
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
import type { OpenFor } from './sign-in.ts'

export const TICKET_SECONDS = 60
const PREFIX = 't1.'

export type Tickets = {
  /** A ticket for a session under that client. Throws A0400 for an unknown client, B0320 while the cache is down. */
  issue(parent: { userId: string; sid: string }, clientId: string): Promise<string>
  /** Opens that session. Throws A0223 when the ticket is unknown, used, expired or for another client; B0320 while the cache is down. */
  redeem(
    request: { ticket: string; appid?: string | undefined; device?: string | undefined },
    actor: Actor,
  ): Promise<TokenReply>
}

export type TicketParts = { cache: Cache; sealer: Sealer; clients: Clients; clock: Clock; openFor: OpenFor }

type Kept = { parentSid: string; platform: string; appid: string; sid: string }

export function createTickets({ cache, sealer, clients, clock, openFor }: TicketParts): Tickets {
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

  return {
    async issue({ sid: parentSid }, clientId) {
      const client = clients.find(clientId)
      if (!client) throw invalidField('appid', 'is not a client of this gateway')
      const ticket = PREFIX + randomToken()
      const kept: Kept = { parentSid, platform: client.platform, appid: client.id, sid: uuidv7(clock.now()) }
      await cache.set(keyOf(ticket), sealer.seal(JSON.stringify(kept), keyOf(ticket)), TICKET_SECONDS * 1000)
      return ticket
    },
    async redeem({ ticket, appid, device }, actor) {
      const { parentSid, sid, ...name } = await take(ticket)
      if (appid !== undefined && appid !== name.appid) throw refused('the ticket was made for another client')
      const client: Client = clients.of(name)
      return await openFor({ client, device, actor, sid, from: { parentSid } })
    },
  }
}
