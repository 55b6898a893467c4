package miniprogram.authgateway.verifier;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * What every token of the gateway must pass, whatever it is for: form, algorithm, type, key,
 * signature, then issuer, audience and time, in this order.
 */
final class TokenReader {
  private static final int MAX_TOKEN_CHARS = 16_384;
  private static final Kind STATUS_LIST =
      new Kind("a status list", Set.of("statuslist+jwt"), List.of("sub", "iat"));

  /** What a token must be: the types its header may name, and the claims that must be there. */
  record Kind(String name, Set<String> types, List<String> required) {}

  /** A JWS whose signature holds. */
  record Signed(Map<String, Object> header, Map<String, Object> claims) {}

  private final String issuer;
  private final Set<String> audience;
  private final Set<Algorithm> algorithms;
  private final long toleranceSeconds;
  private final KeySet keys;
  private final GatewaySource source;
  private final Timekeeper time;

  TokenReader(VerifierBuilder options, KeySet keys, GatewaySource source, Timekeeper time) {
    this.issuer = options.issuer;
    this.audience = options.audience;
    this.algorithms = options.algorithms;
    this.toleranceSeconds = options.clockTolerance.toSeconds();
    this.keys = keys;
    this.source = source;
    this.time = time;
  }

  /**
   * A token of this kind, of this issuer, for this service, at this time; throws {@link
   * VerifierException}.
   */
  Signed read(String token, Kind kind) {
    if (token == null || token.isEmpty())
      throw new VerifierException(Reason.TOKEN_MISSING, "there is no token");
    Signed signed = readSigned(token, kind, MAX_TOKEN_CHARS);
    Map<String, Object> claims = signed.claims;
    if (!issuer.equals(claims.get("iss"))) {
      throw new VerifierException(
          Reason.ISSUER_MISMATCH, "the token is not of the issuer " + issuer);
    }
    if (!isForUs(claims.get("aud"))) {
      throw new VerifierException(
          Reason.AUDIENCE_MISMATCH,
          "the token is not for this service, whose audience is " + String.join(", ", audience));
    }
    requireTime(claims);
    return signed;
  }

  /**
   * Draft section 8.3. A list has no {@code aud} and need not have {@code iss}; it is bound to its
   * own URI instead.
   */
  Map<String, Object> statusListClaims(String jwt, int maxChars, String uri) {
    Map<String, Object> claims = readSigned(jwt, STATUS_LIST, maxChars).claims;
    if (claims.containsKey("iss") && !issuer.equals(claims.get("iss"))) {
      throw new VerifierException(Reason.ISSUER_MISMATCH, "the status list was issued by another issuer");
    }
    if (!uri.equals(claims.get("sub"))) throw invalid("sub");
    requireTime(claims);
    return claims;
  }

  static void requirePresent(Map<String, Object> claims, String name) {
    if (!claims.containsKey(name)) throw missing(name);
  }

  static VerifierException missing(String name) {
    return new VerifierException(Reason.CLAIM_MISSING, "the token has no \"" + name + "\"");
  }

  static VerifierException invalid(String name) {
    return new VerifierException(
        Reason.CLAIM_INVALID, "claim \"" + name + "\" is invalid");
  }

  private Signed readSigned(String jwt, Kind kind, int maxChars) {
    CompactJws jws = CompactJws.parse(jwt, maxChars);
    Algorithm algorithm = Algorithm.ofCodeOrNull(jws.algorithm());
    if (algorithm == null || !algorithms.contains(algorithm)) {
      throw new VerifierException(Reason.ALGORITHM_REFUSED, "the algorithm is not allowed");
    }
    requireType(jws.type(), kind);
    keys.find(jws.keyId(), algorithm).requireSignature(jws);
    for (String name : kind.required) requirePresent(jws.payload(), name);
    return new Signed(jws.header(), jws.payload());
  }

  /**
   * RFC 8725 section 3.11: what the gateway signs for one purpose does not serve another, though
   * key, issuer and signature be right. RFC 7515 section 4.1.9: {@code application/} may be left
   * out, case does not count.
   */
  private static void requireType(Object typ, Kind kind) {
    if (typ instanceof String text) {
      String name = text.toLowerCase(Locale.ROOT);
      if (kind.types.contains(
          name.startsWith("application/") ? name.substring("application/".length()) : name)) return;
    }
    throw new VerifierException(Reason.TYPE_MISMATCH, "this is not " + kind.name);
  }

  private boolean isForUs(Object aud) {
    if (aud instanceof String one) return audience.contains(one);
    return Json.isListOfTexts(aud) && ((List<?>) aud).stream().anyMatch(audience::contains);
  }

  private void requireTime(Map<String, Object> claims) {
    long now = time.wallSeconds();
    numberOrNull(claims, "iat");
    Number notBefore = numberOrNull(claims, "nbf");
    if (notBefore != null && notBefore.doubleValue() > now + toleranceSeconds) {
      throw new VerifierException(
          Reason.TOKEN_NOT_YET_VALID, "the token is not valid yet" + because());
    }
    Number expires = numberOrNull(claims, "exp");
    if (expires != null && expires.doubleValue() <= now - toleranceSeconds) {
      throw new VerifierException(Reason.TOKEN_EXPIRED, "the token has expired" + because());
    }
  }

  /** A wrong clock looks like bad tokens: whoever reads the log should know. */
  private String because() {
    return source.clockError().map(error -> ", but " + error).orElse("");
  }

  private static Number numberOrNull(Map<String, Object> claims, String name) {
    Object value = claims.get(name);
    if (value instanceof Number number) return number;
    if (value != null || claims.containsKey(name)) throw invalid(name);
    return null;
  }
}
