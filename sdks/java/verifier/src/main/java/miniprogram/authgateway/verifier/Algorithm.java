package miniprogram.authgateway.verifier;

/**
 * What the gateway may sign with ({@code SIGNING_ALG}); nothing else is ever accepted, an HMAC or
 * "none" least of all.
 */
public enum Algorithm {
  ES256("ES256"),
  RS256("RS256"),
  EDDSA("EdDSA");

  private final String code;

  Algorithm(String code) {
    this.code = code;
  }

  /** As {@code alg} spells it (RFC 7518, RFC 8037). */
  public String code() {
    return code;
  }

  static Algorithm ofCodeOrNull(Object code) {
    for (Algorithm algorithm : values()) {
      if (algorithm.code.equals(code)) return algorithm;
    }
    return null;
  }
}
