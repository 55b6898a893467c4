package miniprogram.authgateway.verifier;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandler;
import java.net.http.HttpResponse.BodySubscriber;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow.Subscription;

/** GETs by the JDK's own HTTP client. */
final class HttpTransport implements Transport {
  private final HttpClient client;

  HttpTransport(HttpClient client) {
    if (client.followRedirects() != HttpClient.Redirect.NEVER) {
      throw new IllegalArgumentException(
          "httpClient must not follow redirects: they would lead out of the issuer");
    }
    this.client = client;
  }

  static HttpClient defaultClient(Executor executor, Duration timeout) {
    return HttpClient.newBuilder()
        .executor(executor)
        .connectTimeout(timeout)
        .version(
            HttpClient.Version.HTTP_1_1) // A poll every 30 s gains nothing from HTTP/2's upgrade.
        .followRedirects(HttpClient.Redirect.NEVER)
        .build();
  }

  @Override
  public CompletableFuture<Reply> get(URI url, Map<String, String> headers, int maxBytes) {
    HttpRequest.Builder request = HttpRequest.newBuilder(url).GET();
    headers.forEach(request::header);
    CompletableFuture<HttpResponse<byte[]>> exchange =
        client.sendAsync(request.build(), bounded(maxBytes));
    CompletableFuture<Reply> reply = exchange.thenApply(HttpTransport::reply);
    reply.whenComplete(
        (done, error) -> exchange.cancel(true)); // Cancelling does not travel upwards by itself.
    return reply;
  }

  private static Reply reply(HttpResponse<byte[]> response) {
    Map<String, String> headers = new HashMap<>();
    response
        .headers()
        .map()
        .forEach(
            (name, values) -> headers.put(name.toLowerCase(Locale.ROOT), String.join(",", values)));
    return new Reply(response.statusCode(), headers, response.body());
  }

  /** Only a 200 has a body that is of interest. */
  private static BodyHandler<byte[]> bounded(int maxBytes) {
    return response ->
        new BoundedBody(response.statusCode() == 200 ? maxBytes : 0, response.statusCode() == 200);
  }

  /**
   * Nothing asks for a compressed reply, so the bytes that are counted are the bytes that are kept.
   */
  private static final class BoundedBody implements BodySubscriber<byte[]> {
    private final CompletableFuture<byte[]> body = new CompletableFuture<>();
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final int maxBytes;
    private final boolean wanted;
    private Subscription subscription;

    private BoundedBody(int maxBytes, boolean wanted) {
      this.maxBytes = maxBytes;
      this.wanted = wanted;
    }

    @Override
    public CompletionStage<byte[]> getBody() {
      return body;
    }

    @Override
    public void onSubscribe(Subscription started) {
      subscription = started;
      started.request(Long.MAX_VALUE);
    }

    @Override
    public void onNext(List<ByteBuffer> buffers) {
      for (ByteBuffer buffer : buffers) {
        if (bytes.size() + buffer.remaining() > maxBytes) {
          subscription.cancel();
          if (wanted)
            body.completeExceptionally(
                new IOException("the reply has more than " + maxBytes + " bytes"));
          else body.complete(new byte[0]);
          return;
        }
        byte[] chunk = new byte[buffer.remaining()];
        buffer.get(chunk);
        bytes.writeBytes(chunk);
      }
    }

    @Override
    public void onError(Throwable error) {
      body.completeExceptionally(error);
    }

    @Override
    public void onComplete() {
      body.complete(bytes.toByteArray());
    }
  }
}
