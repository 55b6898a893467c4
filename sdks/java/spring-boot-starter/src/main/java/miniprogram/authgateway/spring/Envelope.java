package miniprogram.authgateway.spring;

import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/**
 * The gateway's own envelope and codes, so that a mini program handles one form of error from every
 * service.
 */
enum Envelope {
  LOG_IN_AGAIN("A0230", "登录已失效，请重新登录"),
  NOT_ALLOWED("A0312", "没有权限"),
  UNAVAILABLE("B0320", "服务暂时不可用，请稍后再试");

  private final String code;
  private final String message;

  Envelope(String code, String message) {
    this.code = code;
    this.message = message;
  }

  /** {@code reason} is one of the closed list: nothing in it needs escaping. */
  void write(HttpServletResponse response, String reason) throws IOException {
    response.setHeader("Cache-Control", "no-store");
    response.setContentType("application/json;charset=utf-8");
    String body =
        "{\"code\":\"%s\",\"msg\":\"%s\",\"data\":null,\"reason\":\"%s\"}"
            .formatted(code, message, reason);
    response.getOutputStream().write(body.getBytes(StandardCharsets.UTF_8));
  }
}
