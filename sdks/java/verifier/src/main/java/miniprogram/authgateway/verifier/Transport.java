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

  /** Headers by their name in lower case; the body is empty unless the status is 200. */
  record Reply(int status, Map<String, String> headers, byte[] body) {}
}
