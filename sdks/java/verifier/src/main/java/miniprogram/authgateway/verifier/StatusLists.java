package miniprogram.authgateway.verifier;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.text.ParseException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.function.BiConsumer;
import miniprogram.authgateway.verifier.GatewaySource.Answer;
import miniprogram.authgateway.verifier.GatewaySource.NotPublished;

/**
 * The status lists that recent tokens refer to, polled in the background and kept as bitmaps, so
 * that "has this session ended" costs one bit test.
 */
final class StatusLists {
  private static final long KEEP_UNUSED_SECONDS = 3600;
  private static final double LONGEST_LIFE_MILLIS = 1e15; // What no clock will see.
  private static final int MAX_PRELOADED_LISTS = 256;
  private static final int MAX_BYTES = 8 * 1024 * 1024;

  /**
   * {@code UNKNOWN}: there is no list, or the one that is held is past its {@code exp} or older
   * than the session.
   */
  enum Session {
    LIVE,
    ENDED,
    UNKNOWN
  }

  private final class Tracked {
    private final String uri;
    private final Refresher refresher;
    private volatile StatusList held;
    private volatile long neededUntilMillis;
    private String etag; // Only the refresher's one fetch at a time touches it.

    private Tracked(String uri) {
      this.uri = uri;
      this.neededUntilMillis = time.elapsedMillis() + KEEP_UNUSED_SECONDS * 1000;
      this.refresher = new Refresher(time, () -> load(this), error -> onFailure.accept(uri, error));
    }

    /**
     * As long as such a token lives its list is polled and what is known of it is kept. Moves once
     * a second at most.
     */
    private void need(double tokenExp) {
      double lifeSeconds = Math.max(tokenExp - time.wallSeconds(), KEEP_UNUSED_SECONDS);
      long until = time.elapsedMillis() + (long) Math.min(lifeSeconds * 1000, LONGEST_LIFE_MILLIS);
      if (until < neededUntilMillis + 1000) return;
      synchronized (this) {
        neededUntilMillis = Math.max(neededUntilMillis, until);
      }
    }
  }

  private final GatewaySource source;
  private final TokenReader reader;
  private final Timekeeper time;
  private final long toleranceMillis;
  private final long waitMillis;
  private final BiConsumer<String, Exception> onFailure;
  private final ConcurrentMap<String, Tracked> lists = new ConcurrentHashMap<>();
  private volatile boolean stopped;

  StatusLists(
      VerifierBuilder options,
      GatewaySource source,
      TokenReader reader,
      Timekeeper time,
      BiConsumer<String, Exception> onFailure) {
    this.source = source;
    this.reader = reader;
    this.time = time;
    this.toleranceMillis = options.clockTolerance.toMillis();
    this.waitMillis = options.wait.toMillis();
    this.onFailure = onFailure;
  }

  /**
   * At once when the list is known; throws {@code claim_invalid} for a list of another issuer. The
   * token that refers to it lives until {@code tokenExp}, in seconds since the epoch.
   */
  Session lookUp(String uri, long index, double tokenExp) {
    Tracked list = tracked(uri);
    list.need(tokenExp);
    if (list.held == null) time.await(list.refresher.refreshUnlessFailing(), waitMillis);
    StatusList held = list.held;
    if (held == null) return Session.UNKNOWN;
    if (held.hasEnded(index)) return Session.ENDED; // However old the list.
    return held.knows(index) && !held.isExpired(time, toleranceMillis)
        ? Session.LIVE
        : Session.UNKNOWN;
  }

  /**
   * Fetches every list that an aggregation document names (draft section 9), so that no request
   * meets one for the first time.
   */
  void preload(String aggregationUrl) throws IOException, ParseException {
    Answer answer = source.get(aggregationUrl, "application/json", MAX_BYTES, null);
    if (!(Json.object(answer.body()).get("status_lists") instanceof List<?> named)) {
      throw new IOException("no status lists are named");
    }
    CompletableFuture<?>[] fetches =
        named.stream()
            .filter(uri -> uri instanceof String text && source.publishes(text))
            .limit(MAX_PRELOADED_LISTS)
            .map(uri -> tracked((String) uri).refresher.refresh())
            .toArray(CompletableFuture<?>[]::new);
    time.await(CompletableFuture.allOf(fetches), Long.MAX_VALUE);
  }

  List<VerifierState.StatusList> state() {
    return lists.values().stream().map(this::state).toList();
  }

  void stop() {
    stopped = true;
    lists.values().forEach(list -> list.refresher.stop());
  }

  private VerifierState.StatusList state(Tracked list) {
    StatusList held = list.held;
    Long age =
        held == null ? null : Math.round(time.wallMillis() / 1000.0 - held.issuedAtSeconds());
    boolean expired = held == null || held.isExpired(time, toleranceMillis);
    return new VerifierState.StatusList(list.uri, age, expired, list.refresher.failing());
  }

  /** The URI comes out of a token: only one that lies under the issuer is ever asked (SSRF). */
  private Tracked tracked(String uri) {
    Tracked known = lists.get(uri);
    if (known != null) return known;
    if (!source.publishes(uri)) {
      throw new VerifierException(Reason.CLAIM_INVALID, "the status list was issued by another issuer");
    }
    Tracked list = lists.computeIfAbsent(uri, Tracked::new);
    if (stopped) list.refresher.stop();
    return list;
  }

  private long load(Tracked list) throws IOException {
    StatusList held = list.held;
    // A 304 does not renew the list that is held, which dies at its own exp: near that, the whole
    // is asked for.
    boolean renews =
        held == null
            || time.elapsedMillis() + held.ttlSeconds() * 1000 >= held.expiresAtElapsedMillis();
    NotPublished missing = null;
    try {
      Answer answer =
          source.get(list.uri, "application/statuslist+jwt", MAX_BYTES, renews ? null : list.etag);
      if (answer.changed()) {
        list.held = open(answer.body(), list.uri).merge(held);
        list.etag = answer.etag();
      }
    } catch (NotPublished error) {
      // The list of sessions that are long gone; until then, one that another replica has yet to
      // publish.
      missing = error;
    }
    // Only here, where the gateway is in reach: during an outage nothing that is known is let go.
    if (time.elapsedMillis() > list.neededUntilMillis) {
      lists.remove(list.uri);
      return Refresher.Load.NEVER;
    }
    if (missing != null) throw missing;
    return list.held.ttlSeconds();
  }

  /**
   * Draft section 8.3: a list counts when the gateway signed it, as a list, for this very URI, and
   * it has not expired.
   */
  private StatusList open(byte[] body, String uri) throws IOException {
    try {
      String jwt = new String(body, StandardCharsets.ISO_8859_1);
      return StatusList.open(reader.statusListClaims(jwt, MAX_BYTES, uri), time);
    } catch (VerifierException error) {
      throw new IOException("the status list is refused: " + error.getMessage(), error);
    }
  }
}
