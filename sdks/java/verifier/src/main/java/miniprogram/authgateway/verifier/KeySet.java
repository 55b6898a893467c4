package miniprogram.authgateway.verifier;

import com.nimbusds.jose.JOSEException;
import java.io.IOException;
import java.text.ParseException;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import miniprogram.authgateway.verifier.GatewaySource.Answer;

/**
 * The gateway's public keys, kept in memory ready for use, so that finding one costs a map lookup.
 */
final class KeySet {
  private static final long UNKNOWN_KID_INTERVAL_MILLIS = 30_000;
  private static final int DEFAULT_MAX_AGE_SECONDS = 300;
  private static final int LONGEST_MAX_AGE_SECONDS = 3600;
  private static final int MAX_BYTES = 256 * 1024;

  private record Metadata(String jwksUri, String statusListAggregation) {}

  /** What is known and since when; {@code fetchedAt} is also moved by a 304. */
  private record Known(Map<String, PublishedKey> keys, long fetchedAtMillis) {}

  private final String issuer;
  private final String configurationUrl;
  private final GatewaySource source;
  private final Set<Algorithm> algorithms;
  private final Timekeeper time;
  private final long maxStaleMillis;
  private final long waitMillis;
  private final BiConsumer<String, Exception> onFailure;
  private final Refresher refresher;

  private volatile Metadata metadata;
  private volatile Known known;

  // Only the refresher's one fetch at a time touches these.
  private String etag;
  private int maxAgeSeconds = DEFAULT_MAX_AGE_SECONDS;

  private final Object unknownKid = new Object();
  private long unknownKidAtMillis;
  private CompletableFuture<Void> unknownKidFetch;

  KeySet(
      VerifierBuilder options,
      GatewaySource source,
      Timekeeper time,
      BiConsumer<String, Exception> onFailure) {
    this.issuer = options.issuer;
    this.configurationUrl = issuer.replaceFirst("/$", "") + "/.well-known/openid-configuration";
    this.source = source;
    this.algorithms = options.algorithms;
    this.time = time;
    this.maxStaleMillis = options.maxStale.toMillis();
    this.waitMillis = options.wait.toMillis();
    this.onFailure = onFailure;
    this.refresher = new Refresher(time, this::load, this::failed);
  }

  /**
   * The key that a token names; at once when it is known. Throws {@code key_unknown}, {@code
   * algorithm_refused}, {@code keys_unavailable}.
   */
  PublishedKey find(Object keyId, Algorithm algorithm) {
    if (!(keyId instanceof String kid)) {
      throw new VerifierException(Reason.KEY_UNKNOWN, "the token names no key");
    }
    PublishedKey found = usable() ? known.keys.get(kid) : null;
    if (found == null) found = findAfterFetch(kid);
    // RFC 8725 section 3.1: a key is used with its own algorithm alone, whatever the token's header
    // says.
    if (found.algorithm() == algorithm) return found;
    throw new VerifierException(
        Reason.ALGORITHM_REFUSED, "the token was not signed with the algorithm of its key");
  }

  /**
   * The one exception to "no call on the request path": there are no keys yet, or the token names a
   * key that is not known here. The gateway publishes a key a day before it signs, so a good token
   * gets here only after an emergency rotation.
   */
  private PublishedKey findAfterFetch(String kid) {
    if (!usable()) {
      time.await(refresher.refreshUnlessFailing(), waitMillis);
      if (!usable()) throw unavailable();
    } else {
      time.await(fetchForUnknownKid(), waitMillis);
    }
    PublishedKey found = known.keys.get(kid);
    if (found != null) return found;
    if (refresher.failing()) throw unavailable();
    throw new VerifierException(Reason.KEY_UNKNOWN, "the token is signed by no published key");
  }

  /** At most one fetch in 30 s, shared by all that wait for it. */
  private CompletableFuture<Void> fetchForUnknownKid() {
    synchronized (unknownKid) {
      long now = time.elapsedMillis();
      if (unknownKidFetch == null || now - unknownKidAtMillis >= UNKNOWN_KID_INTERVAL_MILLIS) {
        unknownKidAtMillis = now;
        unknownKidFetch = refresher.refreshUnlessFailing();
      }
      return unknownKidFetch;
    }
  }

  /**
   * Fetches now, or joins the fetch under way; afterwards {@link #usable} tells whether there are
   * keys.
   */
  CompletableFuture<Void> refresh() {
    return refresher.refresh();
  }

  boolean usable() {
    Known now = known;
    return now != null && time.elapsedMillis() - now.fetchedAtMillis < maxStaleMillis;
  }

  /** What to throw when they are not: with the URL and what went wrong there. */
  VerifierException unavailable() {
    String why =
        refresher
            .lastError()
            .map(GatewaySource::reasonOf)
            .orElse(configurationUrl + " has not answered yet");
    return new VerifierException(
        Reason.KEYS_UNAVAILABLE, "the signing keys cannot be fetched: " + why);
  }

  /** From discovery: where all status lists are named. */
  Optional<String> statusListAggregation() {
    Metadata now = metadata;
    return now == null ? Optional.empty() : Optional.ofNullable(now.statusListAggregation);
  }

  VerifierState.Keys state() {
    Known now = known;
    boolean failing = refresher.failing();
    if (now == null) return new VerifierState.Keys(List.of(), null, failing);
    long ageSeconds = (time.elapsedMillis() - now.fetchedAtMillis + 500) / 1000;
    return new VerifierState.Keys(List.copyOf(now.keys.keySet()), ageSeconds, failing);
  }

  void stop() {
    refresher.stop();
  }

  private void failed(Exception error) {
    Metadata then = metadata;
    metadata = null; // The JWKS may have moved: ask again where it is.
    onFailure.accept(then == null ? configurationUrl : then.jwksUri, error);
  }

  private long load() throws IOException, ParseException {
    if (metadata == null) metadata = discover();
    String jwksUri = metadata.jwksUri;
    Answer answer = source.get(jwksUri, "application/json", MAX_BYTES, etag);
    Map<String, PublishedKey> keys = known == null ? Map.of() : known.keys;
    if (answer.changed()) {
      keys = importKeys(Json.object(answer.body()), error -> onFailure.accept(jwksUri, error));
      etag = answer.etag();
      // A key leaves this set when it leaves the JWKS, so no reply may be kept for long, whatever
      // it says.
      int stated = answer.maxAgeSeconds() == 0 ? DEFAULT_MAX_AGE_SECONDS : answer.maxAgeSeconds();
      maxAgeSeconds = Math.min(stated, LONGEST_MAX_AGE_SECONDS);
    }
    known = new Known(keys, time.elapsedMillis());
    source.clockError().ifPresent(words -> onFailure.accept(jwksUri, new IOException(words)));
    return maxAgeSeconds;
  }

  /**
   * OpenID Connect Discovery 1.0 section 4.3: the document must name the very issuer it was asked
   * for.
   */
  private Metadata discover() throws IOException, ParseException {
    Answer answer = source.get(configurationUrl, "application/json", MAX_BYTES, null);
    Map<String, Object> document = Json.object(answer.body());
    if (!issuer.equals(document.get("issuer"))) {
      String found = String.valueOf(document.get("issuer"));
      throw new IOException(
          configurationUrl
              + " is the metadata of the issuer \""
              + found.substring(0, Math.min(200, found.length()))
              + "\", this verifier is for \""
              + issuer
              + "\"");
    }
    if (!(document.get("jwks_uri") instanceof String jwksUri))
      throw new IOException(configurationUrl + " names no jwks_uri");
    Object aggregation = document.get("status_list_aggregation_endpoint");
    return new Metadata(jwksUri, aggregation instanceof String url ? url : null);
  }

  /**
   * Keeps the signing keys that name an allowed algorithm and are public; a set with none of them
   * is a failure.
   */
  private Map<String, PublishedKey> importKeys(
      Map<String, Object> jwks, Consumer<Exception> onIgnored) throws IOException {
    Map<String, PublishedKey> keys = new LinkedHashMap<>();
    List<?> listed = jwks.get("keys") instanceof List<?> list ? list : List.of();
    for (Object entry : listed) {
      Map<String, Object> jwk = Json.objectOrNull(entry);
      if (jwk == null || !(jwk.get("kid") instanceof String kid) || keys.containsKey(kid)) continue;
      // CVE-2026-22817 and its kind: a key that names no algorithm of its own would take the
      // token's.
      Algorithm algorithm = Algorithm.ofCodeOrNull(jwk.get("alg"));
      if (algorithm == null || !algorithms.contains(algorithm)) continue;
      if (jwk.containsKey("use") && !"sig".equals(jwk.get("use"))) continue;
      try {
        keys.put(kid, PublishedKey.parse(jwk, algorithm));
      } catch (ParseException | JOSEException | RuntimeException error) {
        onIgnored.accept(new IOException("a key of the JWKS is not used: " + error.getMessage()));
      }
    }
    if (keys.isEmpty()) throw new IOException("the JWKS holds no usable key");
    return Collections.unmodifiableMap(keys);
  }
}
