package miniprogram.authgateway.verifier;

import com.nimbusds.jose.util.Base64URL;
import java.nio.charset.StandardCharsets;
import java.text.ParseException;
import java.util.Arrays;
import java.util.Base64;
import java.util.Map;

/**
 * A JWS in its one spelling (RFC 7515 section 7.1): three parts of base64url with no padding, white
 * space or spare bits.
 */
final class CompactJws {
  private static final int INVALID = -1;
  private static final byte[] SEXTETS = sextets();

  private final String text;
  private final int firstDot;
  private final int lastDot;
  private final Map<String, Object> header;

  private CompactJws(String text, int firstDot, int lastDot, Map<String, Object> header) {
    this.text = text;
    this.firstDot = firstDot;
    this.lastDot = lastDot;
    this.header = header;
  }

  /**
   * Throws {@code token_malformed}. The payload is not looked at: it may be read once the signature
   * holds.
   */
  static CompactJws parse(String text) {
    int firstDot = text.indexOf('.');
    int lastDot = text.lastIndexOf('.');
    if (firstDot < 0 || firstDot == lastDot || text.indexOf('.', firstDot + 1) != lastDot)
      throw malformed();
    if (!isStrict(text, 0, firstDot) || !isStrict(text, firstDot + 1, lastDot)) throw malformed();
    if (!isStrict(text, lastDot + 1, text.length())) throw malformed();
    Map<String, Object> header = jsonObject(decode(text, 0, firstDot));
    // RFC 7515 section 4.1.11: what is critical must be understood. The gateway uses no extension,
    // so none is.
    if (header.containsKey("crit")) throw malformed();
    if (header.containsKey("b64") && !Boolean.TRUE.equals(header.get("b64")))
      throw malformed(); // RFC 7797.
    if (!(header.get("alg") instanceof String alg) || alg.isEmpty()) throw malformed();
    return new CompactJws(text, firstDot, lastDot, header);
  }

  /**
   * As the signer wrote it; {@code jwk}, {@code jku}, {@code x5u} and their kind are used nowhere.
   */
  Map<String, Object> header() {
    return header;
  }

  String algorithm() {
    return (String) header.get("alg");
  }

  Object type() {
    return header.get("typ");
  }

  Object keyId() {
    return header.get("kid");
  }

  byte[] signingInput() {
    return text.substring(0, lastDot).getBytes(StandardCharsets.ISO_8859_1);
  }

  Base64URL signature() {
    return new Base64URL(text.substring(lastDot + 1));
  }

  /** Throws {@code token_malformed} when the payload is not a JSON object. */
  Map<String, Object> payload() {
    return jsonObject(decode(text, firstDot + 1, lastDot));
  }

  /**
   * Decoders differ in what they overlook, Nimbus's overlooks everything: a token that has several
   * spellings could be refused by one service, or by a list of refused tokens, and accepted by
   * another.
   */
  static boolean isStrict(CharSequence text, int from, int to) {
    int spareBits =
        switch ((to - from) % 4) {
          case 0 -> 0;
          case 2 -> 0b1111;
          case 3 -> 0b11;
          default -> INVALID;
        };
    if (spareBits == INVALID) return false;
    int last = 0;
    for (int at = from; at < to; at += 1) {
      char letter = text.charAt(at);
      last = letter < SEXTETS.length ? SEXTETS[letter] : INVALID;
      if (last == INVALID) return false;
    }
    return (last & spareBits) == 0;
  }

  private static byte[] decode(String text, int from, int to) {
    return Base64.getUrlDecoder().decode(text.substring(from, to));
  }

  private static Map<String, Object> jsonObject(byte[] bytes) {
    try {
      return Json.object(bytes);
    } catch (ParseException error) {
      throw malformed(); // Without the parser's words: they may quote the token.
    }
  }

  private static VerifierException malformed() {
    return new VerifierException(Reason.TOKEN_MALFORMED, "this is not a signed JWT");
  }

  private static byte[] sextets() {
    byte[] sextets = new byte[128];
    Arrays.fill(sextets, (byte) INVALID);
    String alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (int value = 0; value < alphabet.length(); value += 1)
      sextets[alphabet.charAt(value)] = (byte) value;
    return sextets;
  }
}
