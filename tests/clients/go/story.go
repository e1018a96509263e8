// The whole story with the client that openapi-generator makes for Go.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	pawl "example.com/pawl"
)

var (
	issuer      = os.Getenv("CONSOLE_ISSUER")
	adminSecret = os.Getenv("ADMIN_SECRET")
	client      = connect()
	console     = as(os.Getenv("CONSOLE_KEY"))
)

func connect() *pawl.APIClient {
	configuration := pawl.NewConfiguration()
	configuration.Servers = pawl.ServerConfigurations{{URL: os.Getenv("PAWL_BASE_URL")}}
	return pawl.NewAPIClient(configuration)
}

// as is a context with a credential: a client key, or a person's token.
func as(credential string) context.Context {
	return context.WithValue(context.Background(), pawl.ContextAccessToken, credential)
}

func must[T any](answer T, err error) T {
	if err != nil {
		panic(err)
	}
	return answer
}

func expect(holds bool, what string) {
	if !holds {
		panic(what)
	}
}

// showCode is what the phone shows.
func showCode(secret string) string {
	return strings.TrimSpace(string(must(exec.Command("oathtool", "--totp", "--base32", secret).Output())))
}

// waitForTheNextCode: a code works once.
func waitForTheNextCode() {
	time.Sleep(time.Until(time.Now().Truncate(30 * time.Second).Add(30 * time.Second)))
}

// logIn: the console checked the password; what now?
func logIn(user string, audiences ...string) *pawl.Evaluation {
	primary := pawl.NewPrimaryLogin(pawl.PRIMARYMETHOD_PASSWORD, time.Now().UTC())
	body := pawl.NewEvaluateLogin(user, user, audiences, *primary)
	evaluation, _, err := client.LoginsAPI.EvaluateLogin(console).EvaluateLogin(*body).Execute()
	return must(evaluation, err)
}

func confirm(enrollment, secret string) *pawl.EnrollmentConfirmed {
	body := pawl.NewConfirmEnrollment(enrollment, showCode(secret))
	confirmed, _, err := client.EnrollmentsAPI.ConfirmEnrollment(console).ConfirmEnrollment(*body).Execute()
	return must(confirmed, err)
}

func main() {
	person := as(enrollTheAdministrator())
	ada, secret := enroll("ada")
	fmt.Println("step enroll")

	waitForTheNextCode()
	verify("ada", secret)
	fmt.Println("step verify")
	refuse(ada)
	fmt.Println("step refuse")
	override(person, ada)
	fmt.Println("step override")
	list(person)
	fmt.Println("step list")
}

// The first administrator's secret was printed at the first start.
func enrollTheAdministrator() string {
	decision := logIn("admin", "console", issuer).EnrollDecision
	expect(decision != nil && decision.Enrollment != nil, "the administrator enrolls")
	for _, token := range confirm(decision.Enrollment.Handle, adminSecret).Tokens {
		if token.Audience == issuer {
			return token.AccessToken
		}
	}
	panic("no token for Pawl")
}

// A user whom Pawl does not know yet.
func enroll(user string) (id, secret string) {
	decision := logIn(user, "console").EnrollDecision
	expect(decision != nil && decision.Challenge != nil, "the user enrolls")
	body := pawl.NewBeginEnrollment(decision.Challenge.Handle)
	shown, _, err := client.EnrollmentsAPI.BeginEnrollment(console).BeginEnrollment(*body).Execute()
	must(shown, err)
	expect(len(confirm(shown.Enrollment, shown.Secret).RecoveryCodes) == 10, "ten recovery codes")
	return decision.UserId, shown.Secret
}

func verify(user, secret string) {
	decision := logIn(user, "console").ChallengeDecision
	expect(decision != nil, "the user is asked for a code")
	body := pawl.NewVerifyCode(decision.Challenge.Handle, showCode(secret))
	verification, _, err := client.LoginsAPI.VerifyCode(console).VerifyCode(*body).Execute()
	expect(must(verification, err).Tokens[0].Audience == "console", "a token for the console")
}

func refuse(user string) {
	body := pawl.NewRequestDisable()
	body.SetPetition(true)
	body.SetReason("my phone is at home today")
	_, err := client.PetitionsAPI.RequestDisable(console, user).RequestDisable(*body).Execute()
	var refusal *pawl.GenericOpenAPIError
	expect(errors.As(err, &refusal), "an error")
	problem, typed := refusal.Model().(pawl.Problem)
	expect(typed && problem.Code == pawl.PROBLEMCODE_MFA_DISABLE_REFUSED, "the refusal")
	expect(problem.Type == "urn:pawl:problem:mfa-disable-refused", "its type")
	expect(problem.GetPetitionId() != "", "a petition")
}

// The step-up carries the whole act; the operation carries the same again, with the proof.
func override(person context.Context, user string) {
	body := pawl.NewRequestOverride(user, pawl.PETITIONKIND_EXEMPT, "phone forgotten, seen in person")
	body.SetAudiences([]string{"console"})
	body.SetExpiresAt(time.Now().UTC().Add(time.Hour))
	act := pawl.RequestOverrideActAsAct(pawl.NewRequestOverrideAct(*body, "requestOverride"))
	stepUp, _, err := client.LoginsAPI.BeginStepUp(person).Act(act).Execute()
	must(stepUp, err)
	body.SetProof(*pawl.NewProof(stepUp.Challenge.Handle, showCode(adminSecret)))
	result, _, err := client.OverridesAPI.RequestOverride(person).RequestOverride(*body).Execute()
	expect(must(result, err).Override.State == pawl.OVERRIDESTATE_APPROVED, "an override in force")
	expect(logIn("ada", "console").ExemptDecision != nil, "an exemption")
}

func list(person context.Context) {
	kinds, ids, pages := map[pawl.EventKind]bool{}, map[string]bool{}, 0
	request := client.EventsAPI.ListEvents(person).Limit(5)
	for {
		page, _, err := request.Execute()
		if len(must(page, err).Items) == 0 {
			break
		}
		for _, event := range page.Items {
			expect(!ids[event.Id], "an event once")
			kinds[event.Kind], ids[event.Id] = true, true
		}
		request, pages = request.Cursor(page.GetNextCursor()), pages+1
	}
	expect(pages > 1, "several pages")
	expect(kinds[pawl.EVENTKIND_DISABLE_REFUSED] && kinds[pawl.EVENTKIND_OVERRIDE_APPROVED], "the story's events")
}
