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
  private static final String BEARER = "Bearer ";
  private static final byte[] SEXTETS = sextets();

  private final String text;
  private final int lastDot;
  private final Map<String, Object> header;
  private final Map<String, Object> payload;

  private CompactJws(
      String text, int lastDot, Map<String, Object> header, Map<String, Object> payload) {
    this.text = text;
    this.lastDot = lastDot;
    this.header = header;
    this.payload = payload;
  }

  /** Throws {@code token_malformed}. */
  static CompactJws parse(String text, int maxChars) {
    if (text.regionMatches(true, 0, BEARER, 0, BEARER.length())) {
      throw malformed("the token has \"Bearer \" in front; pass the token alone");
    }
    if (text.length() > maxChars) throw malformed("the token is too long");
    int firstDot = text.indexOf('.');
    int lastDot = text.lastIndexOf('.');
    if (firstDot == lastDot || text.indexOf('.', firstDot + 1) != lastDot) {
      throw malformed("this is not a signed JWT of three parts");
    }
    if (!isStrict(text, lastDot + 1, text.length())) {
      throw malformed("the signature is not base64url in its one spelling");
    }
    Map<String, Object> header = jsonObject("header", text, 0, firstDot);
    Map<String, Object> payload = jsonObject("payload", text, firstDot + 1, lastDot);
    // RFC 7515 section 4.1.11: what is critical must be understood; b64 (RFC 7797) changes what is
    // signed. The gateway uses neither.
    if (header.containsKey("crit") || header.containsKey("b64")) {
      throw malformed("the header asks for an extension");
    }
    if (!(header.get("alg") instanceof String alg) || alg.isEmpty()) {
      throw malformed("the header names no algorithm");
    }
    return new CompactJws(text, lastDot, header, payload);
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

  /** What the token says; believed by nobody before the signature holds. */
  Map<String, Object> payload() {
    return payload;
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

  private static Map<String, Object> jsonObject(String name, String text, int from, int to) {
    try {
      if (isStrict(text, from, to)) {
        return Json.object(Base64.getUrlDecoder().decode(text.substring(from, to)));
      }
    } catch (ParseException error) {
      // As below, without the parser's words: they may quote the token.
    }
    throw malformed("the " + name + " is not a JSON object in its one spelling");
  }

  private static VerifierException malformed(String words) {
    return new VerifierException(Reason.TOKEN_MALFORMED, words);
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
