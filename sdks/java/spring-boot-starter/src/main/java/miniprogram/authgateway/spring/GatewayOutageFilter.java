package miniprogram.authgateway.spring;

import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import org.springframework.web.filter.OncePerRequestFilter;

/**
 * Answers 503 in the gateway's own envelope when a token cannot be judged. Spring Security lets
 * such a failure through as an exception, which would become a 500.
 */
public final class GatewayOutageFilter extends OncePerRequestFilter {
  private static final String RETRY_AFTER_SECONDS = "5";

  @Override
  protected void doFilterInternal(
      HttpServletRequest request, HttpServletResponse response, FilterChain chain)
      throws ServletException, IOException {
    try {
      chain.doFilter(request, response);
    } catch (ServletException | RuntimeException error) {
      GatewayUnavailableException outage = outageIn(error);
      if (outage == null || response.isCommitted()) throw error;
      answer(response, outage.getMessage());
    }
  }

  private static GatewayUnavailableException outageIn(Throwable error) {
    for (Throwable cause = error; cause != null; cause = cause.getCause()) {
      if (cause instanceof GatewayUnavailableException outage) return outage;
    }
    return null;
  }

  private static void answer(HttpServletResponse response, String reason) throws IOException {
    response.reset();
    response.setStatus(HttpServletResponse.SC_SERVICE_UNAVAILABLE);
    response.setHeader("Retry-After", RETRY_AFTER_SECONDS);
    Envelope.UNAVAILABLE.write(response, reason);
  }
}
