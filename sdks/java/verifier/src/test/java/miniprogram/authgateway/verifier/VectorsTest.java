package miniprogram.authgateway.verifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Stream;
import miniprogram.authgateway.verifier.Vectors.Case;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/**
 * Every vector and every script of sdks/vectors: the same verdict, for the same reason, as the
 * verifiers of the other languages.
 */
class VectorsTest {
  private static final Set<String> NO_VECTORS = Set.of("keys.json", "scripts.json");

  @TestFactory
  Stream<DynamicTest> vectors() throws Exception {
    List<DynamicTest> tests = new ArrayList<>();
    for (String file : Vectors.files()) {
      if (NO_VECTORS.contains(file)) continue;
      for (Case vector : Vectors.read(file, "vectors", Set.of("call", "token", "expect"))) {
        tests.add(named(vector, VectorsTest::check));
      }
    }
    assertTrue(tests.size() >= 150, "the vectors are there");
    return tests.stream();
  }

  @TestFactory
  Stream<DynamicTest> scripts() throws Exception {
    List<Case> scripts = Vectors.read("scripts.json", "scripts", Set.of("steps"));
    assertTrue(scripts.size() >= 50, "the scripts are there");
    return scripts.stream().map(script -> named(script, VectorsTest::play));
  }

  @Test
  void a_vector_with_a_member_unknown_here_is_an_error() {
    Map<String, Object> vector = Map.of("id", "x", "newMember", 1L);
    try {
      Vectors.requireMembers(vector, Set.of("id"));
    } catch (IllegalArgumentException expected) {
      return;
    }
    fail("the unknown member was overlooked");
  }

  /** Build tools print a dynamic test's number, so its name and its reason go into the failure. */
  private static DynamicTest named(Case one, Consumer<Case> test) {
    return DynamicTest.dynamicTest(
        one.id(),
        () -> {
          try {
            test.accept(one);
          } catch (AssertionError | RuntimeException error) {
            throw new AssertionError(
                one.id() + " (" + one.members().get("why") + "): " + error.getMessage(), error);
          }
        });
  }

  private static void check(Case vector) {
    VirtualTime time = new VirtualTime(vector.now());
    try (Verifier verifier = vector.verifier(time)) {
      String token = (String) vector.members().get("token");
      Supplier<Map<String, Object>> call =
          switch ((String) vector.members().get("call")) {
            case "verify" -> () -> verifier.verify(token).all();
            case "verifyEvent" -> () -> verifier.verifyEvent(token).all();
            default -> throw new IllegalArgumentException("a call unknown here");
          };
      outcomeOf(verifier::ready); // It may fail.
      expect(vector.members().get("expect"), call);
    }
  }

  private static void play(Case script) {
    VirtualTime time = new VirtualTime(script.now());
    try (Verifier verifier = script.verifier(time)) {
      for (Object entry : (List<?>) script.members().get("steps")) {
        Map<String, Object> step = Json.objectOrNull(entry);
        time.advanceTo(Math.round(((Number) step.get("at")).doubleValue() * 1000));
        try {
          play(step, script, verifier, time);
        } catch (AssertionError error) {
          throw new AssertionError("at " + step.get("at") + " s: " + error.getMessage(), error);
        }
      }
    }
  }

  private static void play(
      Map<String, Object> step, Case script, Verifier verifier, VirtualTime time) {
    Set<String> kinds =
        new HashSet<>(Set.of("gateway", "ready", "verify", "verifyEvent", "requests", "clock"));
    kinds.retainAll(step.keySet());
    assertEquals(1, kinds.size(), "a step does one thing that is known here");
    switch (kinds.iterator().next()) {
      case "gateway" -> {
        Vectors.requireMembers(step, Set.of("at", "gateway"));
        script.gateway().change(Json.objectOrNull(step.get("gateway")));
      }
      case "clock" -> {
        Vectors.requireMembers(step, Set.of("at", "clock"));
        time.stepWallClock((Long) step.get("clock"));
      }
      case "ready" -> {
        Vectors.requireMembers(step, Set.of("at", "ready"));
        assertEquals(step.get("ready"), outcomeOf(verifier::ready));
      }
      case "requests" -> {
        Vectors.requireMembers(step, Set.of("at", "requests", "exactly", "atMost", "atLeast"));
        countRequests(step, script.gateway().asked((String) step.get("requests")));
      }
      case "verify" -> repeat(step, "verify", token -> verifier.verify(token).all(), time);
      default -> repeat(step, "verifyEvent", token -> verifier.verifyEvent(token).all(), time);
    }
  }

  private static void repeat(
      Map<String, Object> step,
      String name,
      Function<String, Map<String, Object>> call,
      VirtualTime time) {
    Vectors.requireMembers(step, Set.of("at", name, "times", "parallel", "expect"));
    Runnable once = () -> expect(step.get("expect"), () -> call.apply((String) step.get(name)));
    for (long i = 0; i < (Long) step.getOrDefault("times", 1L); i += 1) {
      time.together(
          Collections.nCopies(((Long) step.getOrDefault("parallel", 1L)).intValue(), once));
    }
  }

  private static void countRequests(Map<String, Object> step, long asked) {
    assertTrue(step.size() > 2, "a count is stated");
    String path = (String) step.get("requests");
    if (step.get("exactly") instanceof Long exactly) assertEquals(exactly, asked, path);
    if (step.get("atMost") instanceof Long most)
      assertTrue(asked <= most, path + " was asked " + asked + " times");
    if (step.get("atLeast") instanceof Long least)
      assertTrue(asked >= least, path + " was asked " + asked + " times");
  }

  private static String outcomeOf(Runnable call) {
    try {
      call.run();
      return "ok";
    } catch (VerifierException refusal) {
      return refusal.reason().code();
    }
  }

  private static void expect(Object expectation, Supplier<Map<String, Object>> call) {
    Map<String, Object> expected = Json.objectOrNull(expectation);
    Vectors.requireMembers(expected, Set.of("ok", "claims", "reason"));
    Map<String, Object> claims;
    try {
      claims = call.get();
    } catch (VerifierException refusal) {
      assertEquals(expected.getOrDefault("reason", "accepted"), refusal.reason().code());
      return;
    }
    assertEquals(true, expected.get("ok"), "accepted, not refused as " + expected.get("reason"));
    Json.objectOrNull(expected.get("claims"))
        .forEach((name, value) -> assertEquals(value, claims.get(name), name));
  }
}
