package miniprogram.authgateway.verifier;

import java.time.Instant;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A security event token (RFC 8417) from the gateway, checked: something has happened to a user or
 * a session.
 */
public final class SecurityEvent {
  private static final List<String> FORBIDDEN = List.of("exp", "sub");

  private final Map<String, Object> claims;
  private final Map<String, Object> events;
  private final String subject;

  private SecurityEvent(Map<String, Object> claims, Map<String, Object> events, String subject) {
    this.claims = claims;
    this.events = events;
    this.subject = subject;
  }

  /** The shape of a token whose signature, {@code iss}, {@code aud} and times have been checked. */
  static SecurityEvent of(Map<String, Object> claims) {
    // What has exp or sub could be meant to pass as an access token (RFC 8417 sections 4.5 to 4.7).
    for (String name : FORBIDDEN) if (claims.containsKey(name)) throw TokenReader.invalid(name);
    if (!isText(claims.get("jti"))) throw TokenReader.invalid("jti");
    if (claims.containsKey("txn") && !(claims.get("txn") instanceof String))
      throw TokenReader.invalid("txn");
    Map<String, Object> events = Json.objectOrNull(claims.get("events"));
    // RFC 8417 section 2.2: at least one event, each of them an object.
    if (events == null || events.isEmpty()) throw TokenReader.invalid("events");
    for (Object event : events.values()) {
      if (Json.objectOrNull(event) == null) throw TokenReader.invalid("events");
    }
    return new SecurityEvent(claims, events, subject(claims.get("sub_id")));
  }

  /**
   * RFC 9493: whatever the form, it has a name; in the form that the gateway gives a user, issuer
   * and user.
   */
  private static String subject(Object subId) {
    Map<String, Object> subject = Json.objectOrNull(subId);
    if (subject == null || !isText(subject.get("format"))) throw TokenReader.invalid("sub_id");
    if ("complex".equals(subject.get("format")))
      return userOf(Json.objectOrNull(subject.get("user")));
    if (!"iss_sub".equals(subject.get("format"))) return null;
    if (!isText(subject.get("iss")) || !isText(subject.get("sub")))
      throw TokenReader.invalid("sub_id");
    return (String) subject.get("sub");
  }

  /** A session's event names its user beside the session (SSF 1.0 section 3.2). */
  private static String userOf(Map<String, Object> user) {
    boolean named = user != null && "iss_sub".equals(user.get("format")) && isText(user.get("sub"));
    return named ? (String) user.get("sub") : null;
  }

  private static boolean isText(Object value) {
    return value instanceof String text && !text.isEmpty();
  }

  /**
   * {@code jti}: the same in every repeat of this event, so that a service can tell that it has
   * seen it.
   */
  public String id() {
    return (String) claims.get("jti");
  }

  /**
   * The user's id, out of {@code sub_id}; empty when the event is about something other than a
   * user.
   */
  public Optional<String> subject() {
    return Optional.ofNullable(subject);
  }

  /** {@code iat}: when the token was made. */
  public Instant issuedAt() {
    return Instant.ofEpochSecond(((Number) claims.get("iat")).longValue());
  }

  /** What has happened, as URIs. */
  public Set<String> types() {
    return Collections.unmodifiableSet(events.keySet());
  }

  /** What the event of this type says; empty when it says nothing, or when there is none. */
  public Map<String, Object> event(String type) {
    Map<String, Object> event = Json.objectOrNull(events.get(type));
    return event == null ? Map.of() : Collections.unmodifiableMap(event);
  }

  /** Every claim as it stands in the token. */
  public Map<String, Object> all() {
    return Collections.unmodifiableMap(claims);
  }
}
