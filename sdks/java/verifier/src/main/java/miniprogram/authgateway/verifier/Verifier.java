package miniprogram.authgateway.verifier;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.net.URI;
import java.text.ParseException;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import miniprogram.authgateway.verifier.TokenReader.Kind;
import miniprogram.authgateway.verifier.VerifierBuilder.Policy;
import miniprogram.authgateway.verifier.VerifierFailure.Part;

/**
 * Checks the gateway's access tokens inside a service's own process. Keys and status lists are
 * fetched in the background and kept, so a request costs one signature check, and the gateway may
 * be down.
 *
 * <p>Safe for use by many threads; one for each issuer and audience, for as long as the service
 * runs.
 */
public final class Verifier implements AutoCloseable {
  private static final Kind ACCESS_TOKEN =
      new Kind("an access token", Set.of("jwt", "at+jwt"), List.of("iss", "aud", "exp"));
  private static final Kind SECURITY_EVENT =
      new Kind(
          "a security event token",
          Set.of("secevent+jwt"),
          List.of("iss", "aud", "iat", "jti", "sub_id", "events"));

  private final Policy onStaleStatus;
  private final Policy onMissingStatus;
  private final Timekeeper time;
  private final KeySet keys;
  private final TokenReader reader;
  private final StatusLists lists;
  private final BiConsumer<String, Exception> statusFailed;

  public static VerifierBuilder builder() {
    return new VerifierBuilder();
  }

  Verifier(VerifierBuilder options, URI issuer, Transport transport, Timekeeper time) {
    this.onStaleStatus = options.onStaleStatus;
    this.onMissingStatus = options.onMissingStatus;
    this.time = time;
    URI baseUrl = options.baseUrl == null ? issuer : options.baseUrl;
    GatewaySource source =
        new GatewaySource(issuer, baseUrl, transport, time, options.fetchTimeout.toMillis());
    var onFailure = options.onFailure == null ? warnOnce() : options.onFailure;
    this.statusFailed = report(onFailure, Part.STATUS);
    this.keys = new KeySet(options, source, time, report(onFailure, Part.KEYS));
    this.reader = new TokenReader(options, keys, source, time);
    this.lists = new StatusLists(options, source, reader, time, statusFailed);
  }

  private static BiConsumer<String, Exception> report(
      Consumer<VerifierFailure> onFailure, Part part) {
    return (url, error) -> {
      try {
        onFailure.accept(new VerifierFailure(part, url, error));
      } catch (RuntimeException fault) {
        // A fault in the service's own logging must not end the polling.
      }
    };
  }

  /** A service that does not listen is told once. */
  private static Consumer<VerifierFailure> warnOnce() {
    AtomicBoolean warned = new AtomicBoolean();
    return failure -> {
      if (warned.getAndSet(true)) return;
      String why = GatewaySource.reasonOf(failure.error());
      System.getLogger(Verifier.class.getName())
          .log(
              Level.WARNING,
              "the verifier tries again after a failure: {0} (onFailure is told of each)",
              why);
    };
  }

  /**
   * The claims of a good token of a live session. Throws {@link VerifierException} otherwise, null
   * included. Waits for the network only for the first token, for a key and for a list that were
   * never seen, and never longer than {@link VerifierBuilder#waitAtMost} each.
   */
  public AccessTokenClaims verify(String token) {
    AccessTokenClaims claims = AccessTokenClaims.of(reader.read(token, ACCESS_TOKEN));
    requireLiveSession(claims.all());
    return claims;
  }

  /**
   * A security event token (RFC 8417) that the gateway made for this service. Throws {@link
   * VerifierException} otherwise. Events are delivered at least once: {@link SecurityEvent#id}
   * tells a repeat.
   */
  public SecurityEvent verifyEvent(String token) {
    return SecurityEvent.of(reader.read(token, SECURITY_EVENT).claims());
  }

  /**
   * The status check alone, for services where something else, such as Spring Security, has
   * verified the token already. Throws {@code session_ended}, {@code status_unavailable}, {@code
   * claim_invalid}, {@code claim_missing}.
   *
   * @param claims the token's claims; {@code exp} may be a Number of seconds or an {@link Instant}
   */
  public void requireLiveSession(Map<String, ?> claims) {
    if (!claims.containsKey("status")) {
      if (onMissingStatus == Policy.REFUSE) TokenReader.requirePresent(Map.of(), "status");
      return;
    }
    Map<String, Object> status = Json.objectOrNull(claims.get("status"));
    Map<String, Object> reference =
        status == null ? null : Json.objectOrNull(status.get("status_list"));
    long index = reference == null ? -1 : Json.index(reference.get("idx"));
    if (index < 0 || !(reference.get("uri") instanceof String uri))
      throw TokenReader.invalid("status");
    switch (lists.lookUp(uri, index, seconds(claims.get("exp")))) {
      case LIVE -> {}
      case ENDED -> throw new VerifierException(Reason.SESSION_ENDED, "the session has ended");
      case UNKNOWN -> {
        if (onStaleStatus == Policy.ALLOW) return;
        throw new VerifierException(
            Reason.STATUS_UNAVAILABLE, "the session's status cannot be fetched");
      }
    }
  }

  /**
   * Loads keys and status lists before the first request; throws {@code keys_unavailable}, and goes
   * on trying.
   */
  public void ready() {
    time.await(keys.refresh(), Long.MAX_VALUE);
    if (!keys.usable())
      throw new VerifierException(Reason.KEYS_UNAVAILABLE, "the signing keys cannot be fetched");
    keys.statusListAggregation().ifPresent(this::preload);
  }

  /** For a health page. */
  public VerifierState state() {
    return new VerifierState(keys.usable(), keys.state(), lists.state());
  }

  /** Stops the background work; {@link #verify} goes on with what is known. */
  @Override
  public void close() {
    keys.stop();
    lists.stop();
    time.close();
  }

  private void preload(String aggregationUrl) {
    try {
      lists.preload(aggregationUrl);
    } catch (IOException | ParseException error) {
      statusFailed.accept(aggregationUrl, error);
    }
  }

  private static double seconds(Object time) {
    if (time instanceof Instant instant) return instant.getEpochSecond();
    return time instanceof Number number ? number.doubleValue() : 0;
  }
}
