package miniprogram.authgateway.verifier;

import java.time.Instant;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The claims of an access token (RFC 9068), checked: what is read here without an Optional is there
 * and of that type.
 */
public final class AccessTokenClaims {
  private static final List<String> REQUIRED_TEXTS = List.of("sub", "sid", "client_id", "jti");
  private static final List<String> OPTIONAL_TEXTS = List.of("openid", "unionid", "platform");

  private final Map<String, Object> header;
  private final Map<String, Object> claims;

  private AccessTokenClaims(TokenReader.Signed token) {
    this.header = token.header();
    this.claims = token.claims();
  }

  /** The shape of a token whose signature, {@code iss}, {@code aud} and times have been checked. */
  static AccessTokenClaims of(TokenReader.Signed token) {
    Map<String, Object> claims = token.claims();
    for (String name : REQUIRED_TEXTS) {
      TokenReader.requirePresent(claims, name);
      if (!(claims.get(name) instanceof String text) || text.isEmpty())
        throw TokenReader.invalid(name);
    }
    for (String name : OPTIONAL_TEXTS) {
      Object value = claims.get(name);
      if (!(value instanceof String) && (value != null || claims.containsKey(name)))
        throw TokenReader.invalid(name);
    }
    TokenReader.requirePresent(claims, "iat");
    if (claims.containsKey("roles") && !Json.isListOfTexts(claims.get("roles")))
      throw TokenReader.invalid("roles");
    return new AccessTokenClaims(token);
  }

  /** {@code iss}: the gateway's {@code ISSUER}. */
  public String issuer() {
    return text("iss");
  }

  /** {@code sub}: the user's id. */
  public String subject() {
    return text("sub");
  }

  /** {@code aud}: one or several. */
  public List<String> audience() {
    return claims.get("aud") instanceof String one ? List.of(one) : texts("aud");
  }

  /** {@code client_id}: the mini program's appid, or another client's id. */
  public String clientId() {
    return text("client_id");
  }

  /** {@code sid}: the session's id. */
  public String sessionId() {
    return text("sid");
  }

  /** {@code jti}: this token's own id. */
  public String id() {
    return text("jti");
  }

  /** {@code iat}. */
  public Instant issuedAt() {
    return instant("iat");
  }

  /** {@code exp}. */
  public Instant expiresAt() {
    return instant("exp");
  }

  /** {@code roles}; empty when the user has none. */
  public List<String> roles() {
    return texts("roles");
  }

  /** {@code openid}, when the gateway is told to put it into tokens. */
  public Optional<String> openid() {
    return Optional.ofNullable(text("openid"));
  }

  /** {@code unionid}, when the gateway is told to put it into tokens. */
  public Optional<String> unionid() {
    return Optional.ofNullable(text("unionid"));
  }

  /** {@code platform}, when the gateway is told to put it into tokens. */
  public Optional<String> platform() {
    return Optional.ofNullable(text("platform"));
  }

  /**
   * Every claim as it stands in the token, those that this class does not name included; numbers
   * are Long or Double.
   */
  public Map<String, Object> all() {
    return Collections.unmodifiableMap(claims);
  }

  /** The JOSE header: {@code alg}, {@code kid}, {@code typ}. */
  public Map<String, Object> header() {
    return Collections.unmodifiableMap(header);
  }

  private String text(String name) {
    return (String) claims.get(name);
  }

  private List<String> texts(String name) {
    if (!(claims.get(name) instanceof List<?> list)) return List.of();
    return list.stream().filter(String.class::isInstance).map(String.class::cast).toList();
  }

  private Instant instant(String name) {
    return Instant.ofEpochSecond(((Number) claims.get(name)).longValue());
  }
}
