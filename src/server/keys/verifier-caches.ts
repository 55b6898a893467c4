/** How long well-known verifiers keep a JWKS: who must be thought of when a key comes or goes before its time. */
import type { Schedule } from './schedule.ts'

type VerifierCache = {
  name: string
  /** How long a key that left the JWKS is still believed. */
  keeps: string
  /** How long until a key that is new in the JWKS is known; little where an unknown kid makes it fetch again. */
  learnsSeconds: number
}

/** With default settings, as of their sources in 2026; docs/consumers.md tells how to change them. */
const verifierCaches: readonly VerifierCache[] = [
  { name: 'lua-resty-openidc and APISIX', keeps: '24 h', learnsSeconds: 0 },
  { name: '.NET JwtBearer', keeps: '12 h', learnsSeconds: 300 },
  { name: 'AWS HTTP API authorizers', keeps: '2 h', learnsSeconds: 7200 },
  { name: 'nginx Plus auth_jwt and Go keyfunc', keeps: '1 h', learnsSeconds: 3600 },
  { name: 'Istio', keeps: '20 min', learnsSeconds: 1200 },
  { name: 'Envoy', keeps: '10 min', learnsSeconds: 600 },
  { name: 'jose', keeps: '10 min', learnsSeconds: 30 },
  { name: 'Spring Security and PyJWT', keeps: '5 min', learnsSeconds: 0 },
  { name: 'go-oidc', keeps: 'until it meets an unknown kid', learnsSeconds: 0 },
]

/** Who refuses good tokens for a while when a key signs this soon after it was published. */
export function warningsOfNewKey(
  secondsPublished: number,
  { jwksMaxAgeSeconds }: Schedule,
  noticeSeconds: number,
): string[] {
  const warnings = verifierCaches
    .filter(({ learnsSeconds }) => learnsSeconds > secondsPublished)
    .map(
      ({ name, learnsSeconds }) => `${name}: does not know the new key for up to ${learnsSeconds} s; flush its cache`,
    )
  if (secondsPublished < jwksMaxAgeSeconds)
    warnings.push(`HTTP caches may serve the JWKS without the new key for up to ${jwksMaxAgeSeconds} s; purge them`)
  if (secondsPublished < noticeSeconds)
    warnings.push(
      `other replicas notice within ${noticeSeconds} s; until then they neither publish nor accept the new key`,
    )
  return warnings
}

/** Who still believes a key that was taken away. */
export const warningsOfRetiredKey = (noticeSeconds: number): string[] => [
  ...verifierCaches.map(({ name, keeps }) => `${name}: may accept the retired key ${keeps}; restart or flush it`),
  `other replicas notice within ${noticeSeconds} s; until then they sign with it and publish it`,
]
