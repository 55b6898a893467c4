package miniprogram.authgateway.verifier;

import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;

/** A gateway in memory that answers what a vector says, and counts what it is asked. */
final class ScriptedGateway implements Transport {
  private static final String EVERY_PATH = "*";

  private final Map<String, Map<String, Object>> replies = new TreeMap<>();
  private final List<String> requests = new ArrayList<>();

  /** A reply that is null takes one away. */
  synchronized void change(Map<String, Object> changes) {
    changes.forEach(
        (path, reply) -> {
          if (reply == null) replies.remove(path);
          else replies.put(path, checked(Json.objectOrNull(reply)));
        });
  }

  /** How often a path was asked; {@code *} counts all. */
  synchronized long asked(String path) {
    return requests.stream().filter(asked -> path.equals(EVERY_PATH) || path.equals(asked)).count();
  }

  private static Map<String, Object> checked(Map<String, Object> reply) {
    if (reply.containsKey("down")) Vectors.requireMembers(reply, Set.of("down"));
    else if (reply.containsKey("hang")) Vectors.requireMembers(reply, Set.of("hang"));
    else Vectors.requireMembers(reply, Set.of("status", "headers", "body", "pad"));
    return reply;
  }

  @Override
  public synchronized CompletableFuture<Reply> get(
      URI url, Map<String, String> headers, int maxBytes) {
    requests.add(url.getRawPath());
    if (!url.getHost().equals("auth.example.com"))
      throw new AssertionError("fetched outside the issuer: " + url);
    Map<String, Object> reply = replies.getOrDefault(EVERY_PATH, replies.get(url.getRawPath()));
    if (reply == null)
      return CompletableFuture.completedFuture(new Reply(404, Map.of(), new byte[0]));
    if (reply.containsKey("down"))
      return CompletableFuture.failedFuture(new ConnectException("refused"));
    if (reply.containsKey("hang")) return new CompletableFuture<>();
    Map<String, String> answered = new TreeMap<>();
    Json.objectOrNull(reply.getOrDefault("headers", Map.of()))
        .forEach((name, value) -> answered.put(name, (String) value));
    String etag = answered.get("etag");
    if (etag != null && etag.equals(headers.get("If-None-Match"))) {
      return CompletableFuture.completedFuture(new Reply(304, Map.of("etag", etag), new byte[0]));
    }
    String text =
        reply.getOrDefault("body", "")
            + " ".repeat(((Long) reply.getOrDefault("pad", 0L)).intValue());
    byte[] body = text.getBytes(StandardCharsets.UTF_8);
    if (body.length > maxBytes) return CompletableFuture.failedFuture(new IOException("too long"));
    int status = ((Long) reply.getOrDefault("status", 200L)).intValue();
    return CompletableFuture.completedFuture(
        new Reply(status, answered, status == 200 ? body : new byte[0]));
  }
}
