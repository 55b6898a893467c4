package miniprogram.authgateway.verifier;

import java.util.List;

/**
 * For a health page: which keys and lists are held, how old they are, and what fails.
 *
 * <p>{@code usable}: keys are there and not too old.
 */
public record VerifierState(boolean usable, Keys keys, List<StatusList> statusLists) {

  /** {@code ageSeconds} is null while there are none. */
  public record Keys(List<String> kids, Long ageSeconds, boolean failing) {}

  /** {@code ageSeconds}, counted from the list's own {@code iat}, is null while there is none. */
  public record StatusList(String uri, Long ageSeconds, boolean expired, boolean failing) {}
}
