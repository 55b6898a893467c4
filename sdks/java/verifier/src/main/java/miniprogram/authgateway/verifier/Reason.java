package miniprogram.authgateway.verifier;

import java.util.Locale;

/** Why a token was not accepted: one closed list, the same in every language's verifier. */
public enum Reason {
  TOKEN_MISSING(401),
  TOKEN_MALFORMED(401),
  TOKEN_EXPIRED(401),
  TOKEN_NOT_YET_VALID(401),
  SIGNATURE_INVALID(401),
  ALGORITHM_REFUSED(401),
  KEY_UNKNOWN(401),
  TYPE_MISMATCH(401),
  ISSUER_MISMATCH(401),
  AUDIENCE_MISMATCH(401),
  CLAIM_MISSING(401),
  CLAIM_INVALID(401),
  SESSION_ENDED(401),
  ROLE_MISSING(403),
  // Not the caller's fault: a client that is told 401 logs its user out, so an outage must never
  // look like one.
  KEYS_UNAVAILABLE(503),
  STATUS_UNAVAILABLE(503);

  private final int httpStatus;
  private final String code;

  Reason(int httpStatus) {
    this.httpStatus = httpStatus;
    this.code = name().toLowerCase(Locale.ROOT);
  }

  /** Stable and the same in every language, for example {@code session_ended}. */
  public String code() {
    return code;
  }

  /** The HTTP status that fits: 401, 403 or 503. */
  public int httpStatus() {
    return httpStatus;
  }
}
