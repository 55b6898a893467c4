package miniprogram.authgateway.verifier;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.text.ParseException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import miniprogram.authgateway.verifier.VerifierBuilder.Policy;

/**
 * Reads sdks/vectors (its README.md has the form). What it does not know is an error, not a test
 * that silently checks less.
 */
final class Vectors {
  static final Path FOLDER = Path.of(System.getProperty("vectors", "../../vectors"));
  private static final Set<String> SHARED = Set.of("about", "now", "config", "gateway");

  private Vectors() {}

  /** One vector or script, with its file's defaults filled in. */
  record Case(
      String id,
      long now,
      VerifierBuilder options,
      ScriptedGateway gateway,
      Map<String, Object> members) {
    Verifier verifier(VirtualTime time) {
      return options.build(gateway, time);
    }
  }

  static List<String> files() throws IOException {
    try (Stream<Path> files = Files.list(FOLDER)) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(name -> name.endsWith(".json"))
          .sorted()
          .toList();
    }
  }

  static List<Case> read(String file, String member, Set<String> members)
      throws IOException, ParseException {
    Map<String, Object> content = Json.object(Files.readAllBytes(FOLDER.resolve(file)));
    Set<String> known = new HashSet<>(SHARED);
    known.add(member);
    requireMembers(content, known);
    Set<String> ofCases = new HashSet<>(members);
    ofCases.addAll(Set.of("id", "why", "config", "gateway"));
    List<Case> cases = new ArrayList<>();
    for (Object entry : (List<?>) content.get(member)) {
      Map<String, Object> one = Json.objectOrNull(entry);
      requireMembers(one, ofCases);
      Map<String, Object> config = new LinkedHashMap<>(Json.objectOrNull(content.get("config")));
      config.putAll(objectIn(one, "config"));
      ScriptedGateway gateway = new ScriptedGateway();
      gateway.change(objectIn(content, "gateway"));
      gateway.change(objectIn(one, "gateway"));
      cases.add(
          new Case(
              (String) one.get("id"), (Long) content.get("now"), options(config), gateway, one));
    }
    return cases;
  }

  static void requireMembers(Map<String, Object> object, Set<String> known) {
    Set<String> unknown = new HashSet<>(object.keySet());
    unknown.removeAll(known);
    if (!unknown.isEmpty())
      throw new IllegalArgumentException("the vectors have members unknown here: " + unknown);
  }

  private static Map<String, Object> objectIn(Map<String, Object> object, String name) {
    return Json.objectOrNull(object.getOrDefault(name, Map.of()));
  }

  private static VerifierBuilder options(Map<String, Object> config) {
    VerifierBuilder options = Verifier.builder().onFailure(failure -> {});
    config.forEach(
        (name, value) -> {
          switch (name) {
            case "issuer" -> options.issuer((String) value);
            case "audience" -> options.audience(texts(value));
            case "algorithms" -> options.algorithms(algorithms(value));
            case "clockToleranceSeconds" ->
                options.clockTolerance(Duration.ofSeconds((Long) value));
            case "maxStaleSeconds" -> options.maxStale(Duration.ofSeconds((Long) value));
            case "onStaleStatus" -> options.onStaleStatus(policy(value));
            case "onMissingStatus" -> options.onMissingStatus(policy(value));
            default ->
                throw new IllegalArgumentException(
                    "the vectors have an option unknown here: " + name);
          }
        });
    return options;
  }

  private static List<String> texts(Object value) {
    if (value instanceof String one) return List.of(one);
    return ((List<?>) value).stream().map(String.class::cast).toList();
  }

  private static Set<Algorithm> algorithms(Object value) {
    Set<Algorithm> algorithms = EnumSet.noneOf(Algorithm.class);
    for (String code : texts(value)) algorithms.add(Algorithm.ofCodeOrNull(code));
    return algorithms;
  }

  private static Policy policy(Object value) {
    return Policy.valueOf(((String) value).toUpperCase(java.util.Locale.ROOT));
  }
}
