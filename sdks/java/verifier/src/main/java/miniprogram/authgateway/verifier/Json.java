package miniprogram.authgateway.verifier;

import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import java.io.IOException;
import java.io.StringReader;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.text.ParseException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * JSON objects out of bytes that came from outside, read as every reader would read them (I-JSON,
 * RFC 7493), or not at all.
 */
final class Json {
  /** What a JavaScript number holds exactly: the gateway's indexes stay below it. */
  private static final long MAX_SAFE_INTEGER = (1L << 53) - 1;

  private static final int MAX_DEPTH = 128;
  private static final char BYTE_ORDER_MARK = '\ufeff';

  private final JsonReader reader;

  /** Strict UTF-8 has no unpaired surrogate: only an escape can bring one in. */
  private final boolean hasEscapes;

  private Json(String text) {
    reader = new JsonReader(new StringReader(text));
    reader.setStrictness(Strictness.STRICT);
    hasEscapes = text.contains("\\u");
  }

  /** Whole numbers become {@link Long} where they fit, others {@link Double}. */
  static Map<String, Object> object(byte[] bytes) throws ParseException {
    String text = text(bytes);
    if (text.isEmpty() || text.charAt(0) == BYTE_ORDER_MARK)
      throw new ParseException("this is not JSON", 0);
    Json json = new Json(text);
    try {
      if (json.reader.peek() != JsonToken.BEGIN_OBJECT)
        throw new ParseException("this is not a JSON object", 0);
      Map<String, Object> object = json.readObject(1);
      if (json.reader.peek() != JsonToken.END_DOCUMENT)
        throw new ParseException("more follows the JSON object", 0);
      return object;
    } catch (IOException | RuntimeException error) {
      throw new ParseException(
          "this is not JSON", 0); // Without the reader's words: they may quote a token.
    }
  }

  private Map<String, Object> readObject(int depth) throws IOException, ParseException {
    if (depth > MAX_DEPTH) throw new ParseException("this is nested too deep", 0);
    Map<String, Object> object = new LinkedHashMap<>();
    reader.beginObject();
    while (reader.hasNext()) {
      String name = paired(reader.nextName());
      // RFC 7493 section 2.3. Of two members with one name, one reader takes the first and another
      // the last.
      if (object.containsKey(name)) throw new ParseException("two members have one name", 0);
      object.put(name, readValue(depth));
    }
    reader.endObject();
    return object;
  }

  private List<Object> readList(int depth) throws IOException, ParseException {
    if (depth > MAX_DEPTH) throw new ParseException("this is nested too deep", 0);
    List<Object> list = new ArrayList<>();
    reader.beginArray();
    while (reader.hasNext()) list.add(readValue(depth));
    reader.endArray();
    return list;
  }

  private Object readValue(int depth) throws IOException, ParseException {
    return switch (reader.peek()) {
      case BEGIN_OBJECT -> readObject(depth + 1);
      case BEGIN_ARRAY -> readList(depth + 1);
      case STRING -> paired(reader.nextString());
      case NUMBER -> number(reader.nextString());
      case BOOLEAN -> reader.nextBoolean();
      case NULL -> {
        reader.nextNull();
        yield null;
      }
      default -> throw new ParseException("this is not JSON", 0);
    };
  }

  /**
   * RFC 7493 section 2.1: half a surrogate pair is no character, and what becomes of it differs
   * from reader to reader.
   */
  private String paired(String text) throws ParseException {
    if (!hasEscapes) return text;
    for (int at = 0; at < text.length(); at += 1) {
      char one = text.charAt(at);
      if (!Character.isSurrogate(one)) continue;
      boolean pair =
          Character.isHighSurrogate(one)
              && at + 1 < text.length()
              && Character.isLowSurrogate(text.charAt(at + 1));
      if (!pair) throw new ParseException("this has an unpaired surrogate", 0);
      at += 1;
    }
    return text;
  }

  private static Number number(String text) throws ParseException {
    if (text.length() < 19
        && text.chars().allMatch(one -> one == '-' || one >= '0' && one <= '9')) {
      return Long.valueOf(text);
    }
    double number = Double.parseDouble(text);
    if (Double.isInfinite(number)) throw new ParseException("no double holds this number", 0);
    return number;
  }

  private static String text(byte[] bytes) throws ParseException {
    for (byte one : bytes) {
      if (one < 0) return decoded(bytes);
    }
    return new String(bytes, StandardCharsets.ISO_8859_1); // ASCII: a copy, not a decoding.
  }

  /**
   * {@code new String(bytes, UTF_8)} would repair what is broken; a signed text is never repaired.
   */
  private static String decoded(byte[] bytes) throws ParseException {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (CharacterCodingException error) {
      throw new ParseException("this is not UTF-8", 0);
    }
  }

  @SuppressWarnings("unchecked") // Every name in a JSON object is a text.
  static Map<String, Object> objectOrNull(Object value) {
    return value instanceof Map ? (Map<String, Object>) value : null;
  }

  static boolean isListOfTexts(Object value) {
    return value instanceof List<?> list && list.stream().allMatch(String.class::isInstance);
  }

  /** A whole number from 0 to 2^53 - 1, or -1. JSON knows one kind of number, so 5.0 is 5. */
  static long index(Object value) {
    if (!(value instanceof Number number)) return -1;
    double real = number.doubleValue();
    return real >= 0 && real <= MAX_SAFE_INTEGER && real == Math.rint(real)
        ? number.longValue()
        : -1;
  }
}
