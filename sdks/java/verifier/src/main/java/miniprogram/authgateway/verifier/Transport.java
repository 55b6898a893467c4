package miniprogram.authgateway.verifier;

import java.net.URI;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/** One bounded GET. */
@FunctionalInterface
interface Transport {
  /**
   * Follows no redirect and reads at most {@code maxBytes} of the body; cancelling the future ends
   * the exchange.
   */
  CompletableFuture<Reply> get(URI url, Map<String, String> headers, int maxBytes);

  /** {@code etag} and {@code cacheControl} are null when the reply has none. */
  record Reply(int status, String etag, String cacheControl, byte[] body) {}
}
