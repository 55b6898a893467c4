package miniprogram.authgateway.verifier;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * What every token of the gateway must pass, whatever it is for: spelling, algorithm, type, key,
 * signature, then its claims.
 */
final class TokenReader {
  private static final Set<String> STATUS_LIST_TYPES = Set.of("statuslist+jwt");

  /** A JWS whose signature holds. */
  record Signed(Map<String, Object> header, Map<String, Object> claims) {}

  private final String issuer;
  private final Set<String> audience;
  private final Set<Algorithm> algorithms;
  private final long toleranceSeconds;
  private final KeySet keys;
  private final Timekeeper time;

  TokenReader(VerifierBuilder options, KeySet keys, Timekeeper time) {
    this.issuer = options.issuer;
    this.audience = options.audience;
    this.algorithms = options.algorithms;
    this.toleranceSeconds = options.clockTolerance.toSeconds();
    this.keys = keys;
    this.time = time;
  }

  /**
   * A token of this issuer, for this service, of one of these types, at this time, that names
   * {@code required}.
   */
  Signed read(String jwt, Set<String> types, List<String> required) {
    Signed token = readSigned(jwt, types);
    Map<String, Object> claims = token.claims;
    for (String name : required) requirePresent(claims, name);
    if (!issuer.equals(claims.get("iss"))) {
      throw new VerifierException(Reason.ISSUER_MISMATCH, "the token is of another issuer");
    }
    if (!isForUs(claims.get("aud"))) {
      throw new VerifierException(Reason.AUDIENCE_MISMATCH, "the token is for another audience");
    }
    requireTime(claims);
    return token;
  }

  /**
   * Draft section 8.3. A list has no {@code aud} and need not have {@code iss}; it is bound to its
   * own URI instead.
   */
  Map<String, Object> statusListClaims(String jwt, String uri) {
    Map<String, Object> claims = readSigned(jwt, STATUS_LIST_TYPES).claims;
    if (claims.containsKey("iss") && !issuer.equals(claims.get("iss"))) {
      throw new VerifierException(Reason.ISSUER_MISMATCH, "the status list is of another issuer");
    }
    if (!uri.equals(claims.get("sub"))) throw invalid("sub");
    requireTime(claims);
    return claims;
  }

  static void requirePresent(Map<String, Object> claims, String name) {
    if (claims.containsKey(name)) return;
    throw new VerifierException(Reason.CLAIM_MISSING, "the token has no \"" + name + "\"");
  }

  static VerifierException invalid(String name) {
    return new VerifierException(
        Reason.CLAIM_INVALID, "the token's \"" + name + "\" is not what it should be");
  }

  private Signed readSigned(String jwt, Set<String> types) {
    CompactJws jws = CompactJws.parse(jwt);
    Algorithm algorithm = Algorithm.ofCodeOrNull(jws.algorithm());
    if (algorithm == null || !algorithms.contains(algorithm)) {
      throw new VerifierException(Reason.ALGORITHM_REFUSED, "the algorithm is not allowed");
    }
    requireType(jws.type(), types);
    keys.find(jws).requireSignature(jws);
    return new Signed(jws.header(), jws.payload());
  }

  /**
   * RFC 8725 section 3.11: what the gateway signs for one purpose does not serve another, though
   * key, issuer and signature be right. RFC 7515 section 4.1.9: {@code application/} may be left
   * out, case does not count.
   */
  private static void requireType(Object typ, Set<String> types) {
    if (typ instanceof String text) {
      String name = text.toLowerCase(Locale.ROOT);
      if (types.contains(
          name.startsWith("application/") ? name.substring("application/".length()) : name)) return;
    }
    throw new VerifierException(Reason.TYPE_MISMATCH, "this is a token of another type");
  }

  private boolean isForUs(Object aud) {
    if (aud instanceof String one) return audience.contains(one);
    return Json.isListOfTexts(aud) && ((List<?>) aud).stream().anyMatch(audience::contains);
  }

  private void requireTime(Map<String, Object> claims) {
    long now = time.wallSeconds();
    requireNumberIfPresent(claims, "iat");
    Number notBefore = requireNumberIfPresent(claims, "nbf");
    if (notBefore != null && notBefore.doubleValue() > now + toleranceSeconds) {
      throw new VerifierException(Reason.TOKEN_NOT_YET_VALID, "the token is not valid yet");
    }
    Number expires = requireNumberIfPresent(claims, "exp");
    if (expires != null && expires.doubleValue() <= now - toleranceSeconds) {
      throw new VerifierException(Reason.TOKEN_EXPIRED, "the token has expired");
    }
  }

  private static Number requireNumberIfPresent(Map<String, Object> claims, String name) {
    Object value = claims.get(name);
    if (value instanceof Number number) return number;
    if (value != null || claims.containsKey(name)) throw invalid(name);
    return null;
  }
}
