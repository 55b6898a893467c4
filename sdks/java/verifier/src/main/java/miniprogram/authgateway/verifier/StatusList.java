package miniprogram.authgateway.verifier;

import java.io.IOException;
import java.util.Arrays;
import java.util.Base64;
import java.util.Map;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/**
 * One published Token Status List (draft-ietf-oauth-status-list), opened: one bit for each session.
 *
 * <p>It expires by the clock or by the time that has passed since, what is first: a clock that is
 * set back makes no list fresh again.
 */
record StatusList(
    byte[] ended,
    double issuedAtSeconds,
    double expiresAtSeconds,
    double expiresAtElapsedMillis,
    long ttlSeconds) {
  private static final long DEFAULT_TTL_SECONDS = 30;
  private static final long LONGEST_TTL_SECONDS = 3600;
  private static final long DEFAULT_LIFE_SECONDS = 600;

  /** 64 million one-bit sessions. The reply is small and inflates: this is what stops a bomb. */
  private static final int MAX_INFLATED_BYTES = 8 * 1024 * 1024;

  /** From the claims of a list whose signature, {@code sub} and {@code exp} have been checked. */
  static StatusList open(Map<String, Object> claims, Timekeeper time) throws IOException {
    if (!(claims.get("iat") instanceof Number issuedAt))
      throw new IOException("the status list has no iat");
    Map<String, Object> published = Json.objectOrNull(claims.get("status_list"));
    if (published == null || !(published.get("lst") instanceof String lst)) {
      throw new IOException("the status list has no lst");
    }
    long bits = Json.index(published.get("bits"));
    if (bits != 1 && bits != 2 && bits != 4 && bits != 8)
      throw new IOException("the status list has odd bits");
    if (!CompactJws.isStrict(lst, 0, lst.length()))
      throw new IOException("the lst is not base64url");
    byte[] statuses = inflate(Base64.getUrlDecoder().decode(lst));
    double iat = issuedAt.doubleValue();
    double exp =
        claims.get("exp") instanceof Number number
            ? number.doubleValue()
            : iat + DEFAULT_LIFE_SECONDS;
    double lifeSeconds = exp - Math.max(time.wallMillis() / 1000.0, iat);
    double elapsedMillis = time.elapsedMillis() + lifeSeconds * 1000;
    return new StatusList(
        endedBits(statuses, (int) bits), iat, exp, elapsedMillis, ttl(claims.get("ttl")));
  }

  boolean isExpired(Timekeeper time, long toleranceMillis) {
    return time.wallMillis() >= expiresAtSeconds * 1000 + toleranceMillis
        || time.elapsedMillis() >= expiresAtElapsedMillis + toleranceMillis;
  }

  /**
   * Draft section 8.3: about a session past its end, which is younger than the list, a list says
   * nothing.
   */
  boolean knows(long index) {
    return index >> 3 < ended.length;
  }

  boolean hasEnded(long index) {
    return knows(index)
        && (ended[(int) (index >> 3)] >> (index & 7) & 1)
            == 1; // Least significant bit first (section 4.1).
  }

  /**
   * What either list says has ended has ended: an older copy, from a slow replica or a cache,
   * brings no session back.
   */
  StatusList merge(StatusList held) {
    if (held == null) return this;
    StatusList newest = issuedAtSeconds >= held.issuedAtSeconds ? this : held;
    byte[] shorter = ended.length < held.ended.length ? ended : held.ended;
    byte[] merged = (shorter == ended ? held.ended : ended).clone();
    for (int at = 0; at < shorter.length; at += 1) merged[at] |= shorter[at];
    return new StatusList(
        merged,
        newest.issuedAtSeconds,
        newest.expiresAtSeconds,
        newest.expiresAtElapsedMillis,
        newest.ttlSeconds);
  }

  private static long ttl(Object ttl) {
    if (!(ttl instanceof Number number) || number.doubleValue() < 1) return DEFAULT_TTL_SECONDS;
    return Math.min(number.longValue(), LONGEST_TTL_SECONDS);
  }

  private static byte[] inflate(byte[] compressed) throws IOException {
    Inflater inflater = new Inflater();
    try {
      inflater.setInput(compressed);
      byte[] bytes = new byte[1024];
      int length = 0;
      while (!inflater.finished()) {
        if (length == bytes.length)
          bytes = Arrays.copyOf(bytes, Math.min(MAX_INFLATED_BYTES + 1, 4 * length));
        int read = inflater.inflate(bytes, length, bytes.length - length);
        if (read == 0 && !inflater.finished()) throw new IOException("the status list is cut off");
        length += read;
        if (length > MAX_INFLATED_BYTES) throw new IOException("the status list is too long");
      }
      return Arrays.copyOf(bytes, length);
    } catch (DataFormatException error) {
      throw new IOException("the status list is not zlib", error);
    } finally {
      inflater.end();
    }
  }

  /**
   * One bit for each session, from 1, 2, 4 or 8: every status but 0 (VALID) means that the session
   * does not live.
   */
  private static byte[] endedBits(byte[] statuses, int bits) {
    if (bits == 1) return statuses;
    int perByte = 8 / bits;
    int mask = (1 << bits) - 1;
    byte[] ended = new byte[(statuses.length * perByte + 7) / 8];
    for (int index = 0; index < statuses.length * perByte; index += 1) {
      int status = statuses[index / perByte] >> (index % perByte * bits) & mask;
      if (status != 0) ended[index >> 3] |= (byte) (1 << (index & 7));
    }
    return ended;
  }
}
