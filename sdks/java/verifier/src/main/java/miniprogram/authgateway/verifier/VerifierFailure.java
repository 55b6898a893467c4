package miniprogram.authgateway.verifier;

/**
 * A failure in the background; the verifier goes on and tries again. Holds no part of a token, so
 * it may be logged.
 */
public record VerifierFailure(Part part, String url, Exception error) {

  /** What could not be fetched or was not accepted. */
  public enum Part {
    KEYS,
    STATUS
  }
}
