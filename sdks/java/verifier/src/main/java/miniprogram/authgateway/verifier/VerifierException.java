package miniprogram.authgateway.verifier;

/**
 * A refusal. Neither the message nor the cause holds any part of the token, so the whole exception
 * may be logged.
 */
public final class VerifierException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final Reason reason;

  VerifierException(Reason reason, String message) {
    // Without a stack trace: a refusal is an answer, and a flood of bad tokens must be cheap to
    // turn away.
    super(message, null, false, false);
    this.reason = reason;
  }

  public Reason reason() {
    return reason;
  }
}
