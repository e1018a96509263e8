import java.io.IOException;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import pawl.ApiClient;
import pawl.ApiException;
import pawl.api.*;
import pawl.model.*;

/** The whole story with the client that openapi-generator makes for Java. */
public final class Story {
    private static final String ISSUER = System.getenv("CONSOLE_ISSUER");
    private static final String ADMIN_SECRET = System.getenv("ADMIN_SECRET");
    private static final ApiClient CONSOLE = connect(System.getenv("CONSOLE_KEY"));

    public static void main(String[] arguments) throws Exception {
        ApiClient person = connect(enrollTheAdministrator());

        // A user whom Pawl does not know yet.
        EnrollDecision decision = logIn("ada", "console").getEnrollDecision();
        EnrollmentSecret shown = new EnrollmentsApi(CONSOLE)
                .beginEnrollment(new BeginEnrollment().challenge(decision.getChallenge().getHandle()));
        expect(confirm(shown.getEnrollment(), shown.getSecret()).getRecoveryCodes().size() == 10, "ten recovery codes");
        System.out.println("step enroll");

        waitForTheNextCode();
        verify("ada", shown.getSecret());
        System.out.println("step verify");
        refuse(decision.getUserId());
        System.out.println("step refuse");
        override(person, decision.getUserId());
        System.out.println("step override");
        list(person);
        System.out.println("step list");
    }

    /** With a client key, or with a person's token. */
    private static ApiClient connect(String credential) {
        ApiClient client = new ApiClient();
        client.updateBaseUri(System.getenv("PAWL_BASE_URL"));
        return client.setRequestInterceptor(request -> request.setHeader("Authorization", "Bearer " + credential));
    }

    private static void expect(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }

    /** What the phone shows. */
    private static String showCode(String secret) throws IOException {
        Process phone = new ProcessBuilder("oathtool", "--totp", "--base32", secret).start();
        return new String(phone.getInputStream().readAllBytes()).trim();
    }

    /** A code works once. */
    private static void waitForTheNextCode() throws InterruptedException {
        Thread.sleep(30_000 - System.currentTimeMillis() % 30_000);
    }

    private static OffsetDateTime now() {
        return OffsetDateTime.now(ZoneOffset.UTC);
    }

    /** The console checked the password; what now? */
    private static Evaluation logIn(String user, String... audiences) throws ApiException {
        return new LoginsApi(CONSOLE).evaluateLogin(new EvaluateLogin()
                .externalId(user)
                .displayName(user)
                .audiences(List.of(audiences))
                .primaryLogin(new PrimaryLogin().method(PrimaryMethod.PASSWORD).at(now())));
    }

    private static EnrollmentConfirmed confirm(String enrollment, String secret) throws ApiException, IOException {
        ConfirmEnrollment body = new ConfirmEnrollment().enrollment(enrollment).code(showCode(secret));
        return new EnrollmentsApi(CONSOLE).confirmEnrollment(body);
    }

    /** The first administrator's secret was printed at the first start. */
    private static String enrollTheAdministrator() throws ApiException, IOException {
        EnrollDecision decision = logIn("admin", "console", ISSUER).getEnrollDecision();
        EnrollmentConfirmed confirmed = confirm(decision.getEnrollment().getHandle(), ADMIN_SECRET);
        return confirmed.getTokens().stream()
                .filter(token -> token.getAudience().equals(ISSUER))
                .findFirst()
                .orElseThrow()
                .getAccessToken();
    }

    private static void verify(String user, String secret) throws ApiException, IOException {
        ChallengeDecision decision = logIn(user, "console").getChallengeDecision();
        VerifyCode body = new VerifyCode().challenge(decision.getChallenge().getHandle()).code(showCode(secret));
        Verification verification = new LoginsApi(CONSOLE).verifyCode(body);
        expect(verification.getTokens().get(0).getAudience().equals("console"), "a token for the console");
    }

    private static void refuse(String user) throws IOException {
        RequestDisable body = new RequestDisable().petition(true).reason("my phone is at home today");
        try {
            new PetitionsApi(CONSOLE).requestDisable(user, body);
        } catch (ApiException refusal) {
            Problem problem = CONSOLE.getObjectMapper().readValue(refusal.getResponseBody(), Problem.class);
            expect(refusal.getCode() == 403 && problem.getCode() == ProblemCode.MFA_DISABLE_REFUSED, "the refusal");
            expect(problem.getType().toString().equals("urn:pawl:problem:mfa-disable-refused"), "its type");
            expect(problem.getPetitionId() != null, "a petition");
            return;
        }
        throw new AssertionError("MFA was switched off");
    }

    /** The step-up carries the whole act; the operation carries the same again, with the proof. */
    private static void override(ApiClient person, String user) throws ApiException, IOException {
        RequestOverride body = new RequestOverride()
                .userId(user)
                .kind(PetitionKind.EXEMPT)
                .reason("phone forgotten, seen in person")
                .audiences(Set.of("console"))
                .expiresAt(now().plus(Duration.ofHours(1)));
        RequestOverrideAct act = new RequestOverrideAct()
                .operation(RequestOverrideAct.OperationEnum.REQUEST_OVERRIDE)
                .body(body);
        StepUp stepUp = new LoginsApi(person).beginStepUp(new Act(act));
        body.proof(new Proof().challenge(stepUp.getChallenge().getHandle()).code(showCode(ADMIN_SECRET)));
        OverrideResult result = new OverridesApi(person).requestOverride(body);
        expect(result.getOverride().getState() == OverrideState.APPROVED, "an override in force");
        expect(logIn("ada", "console").getActualInstance() instanceof ExemptDecision, "an exemption");
    }

    private static void list(ApiClient person) throws ApiException {
        Set<EventKind> kinds = EnumSet.noneOf(EventKind.class);
        Set<String> ids = new HashSet<>();
        int pages = 0;
        EventPage page = new EventsApi(person).listEvents(null, null, null, null, null, 5L);
        for (; !page.getItems().isEmpty(); pages++) {
            for (Event event : page.getItems()) {
                expect(ids.add(event.getId()), "an event once");
                kinds.add(event.getKind());
            }
            page = new EventsApi(person).listEvents(null, null, null, null, page.getNextCursor(), 5L);
        }
        expect(pages > 1, "several pages");
        expect(kinds.containsAll(List.of(EventKind.DISABLE_REFUSED, EventKind.OVERRIDE_APPROVED)), "the story's events");
    }
}
