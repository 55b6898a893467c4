/** Tokens that an attacker, or a careless issuer, would try; and one without any attack. */

import { bad, GOOD } from './build.ts'
import type { Vector } from './format.ts'
import { accepted } from './gateway.ts'
import { hostileClaims } from './hostile-claims.ts'
import { hostileForms } from './hostile-form.ts'
import { hostileSignatures } from './hostile-signature.ts'

export const hostileVectors: Vector[] = [
  ...hostileSignatures,
  ...hostileForms,
  ...hostileClaims,
  {
    ...bad(
      'control',
      'a token without any attack, so that a verifier that refuses all fails here',
      GOOD,
      'key_unknown',
    ),
    expect: accepted(),
  },
]
