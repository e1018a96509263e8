// Package pawltokens reads Pawl's tokens in net/http: New(settings).Require(handler) puts the claims into the
// request's context, or answers 401.
package pawltokens

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const acr = "urn:pawl:acr:totp"

// Settings are what a console expects; MaxAge is how old a login may be, 0 for any age.
type Settings struct {
	Issuer, Audience, JWKSURL string
	MaxAge                    time.Duration
	Clock                     func() time.Time
}

// Pawl keeps the key set.
type Pawl struct {
	Settings
	asking  sync.Mutex // While one asks for keys, only who needs the answer waits.
	asked   time.Time
	lock    sync.RWMutex
	keys    map[string]*ecdsa.PublicKey
	fetched time.Time
}

type contextKey struct{}

// Claims of the request that Require let pass.
func Claims(request *http.Request) jwt.MapClaims {
	claims, _ := request.Context().Value(contextKey{}).(jwt.MapClaims)
	return claims
}

func New(settings Settings) *Pawl { return &Pawl{Settings: settings} }

func (p *Pawl) Require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse := func(why string) {
			challenge := fmt.Sprintf(`Bearer error="%s", acr_values="%s"`, why, acr)
			if p.MaxAge > 0 {
				challenge += fmt.Sprintf(`, max_age="%.0f"`, p.MaxAge.Seconds())
			}
			w.Header().Set("WWW-Authenticate", challenge)
			w.WriteHeader(http.StatusUnauthorized)
		}
		scheme, token, found := strings.Cut(r.Header.Get("Authorization"), " ")
		if !found || !strings.EqualFold(scheme, "Bearer") {
			refuse("insufficient_user_authentication")
			return
		}
		claims, err := p.check(token)
		if err != nil {
			refuse("invalid_token")
			return
		}
		at, _ := number(claims["auth_time"])
		if p.MaxAge > 0 && p.Clock().Unix()-at > int64(p.MaxAge.Seconds()) {
			refuse("insufficient_user_authentication")
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, claims)))
	})
}

func (p *Pawl) check(token string) (jwt.MapClaims, error) {
	// The library's checks of claims take lists, and need none of them to be there.
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithJSONNumber(), jwt.WithoutClaimsValidation())
	claims := jwt.MapClaims{}
	_, err := parser.ParseWithClaims(token, claims, func(parsed *jwt.Token) (interface{}, error) {
		kid, named := parsed.Header["kid"].(string)
		if !named || len(parsed.Header) != 3 || parsed.Header["typ"] != "at+jwt" {
			return nil, errors.New("header")
		}
		return p.key(kid)
	})
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"iss", "sub", "aud", "jti", "tid", "acr"} {
		if _, right := claims[name].(string); !right {
			return nil, errors.New(name)
		}
	}
	numbers := map[string]int64{}
	for _, name := range []string{"iat", "nbf", "exp", "auth_time", "epoch"} {
		if numbers[name], err = number(claims[name]); err != nil {
			return nil, err
		}
	}
	methods, _ := claims["amr"].([]interface{})
	otp := false
	for _, method := range methods {
		otp = otp || method == "otp"
	}
	now, iat, exp := p.Clock().Unix(), numbers["iat"], numbers["exp"]
	right := claims["iss"] == p.Issuer && claims["aud"] == p.Audience &&
		claims["tid"] == p.Issuer[strings.LastIndex(p.Issuer, "/")+1:] &&
		numbers["nbf"] <= now+5 && iat <= now+5 && numbers["auth_time"] <= iat &&
		now < exp && exp <= iat+900 && claims["acr"] == acr && otp
	if !right {
		return nil, errors.New("claims")
	}
	return claims, nil
}

func number(claim interface{}) (int64, error) {
	text, isNumber := claim.(json.Number)
	if !isNumber {
		return 0, errors.New("not a number")
	}
	return text.Int64()
}

// Keys live 5 minutes; an unknown one is asked for twice a minute at most.
func (p *Pawl) key(kid string) (*ecdsa.PublicKey, error) {
	if key := p.known(kid); key != nil {
		return key, nil
	}
	p.asking.Lock()
	defer p.asking.Unlock()
	if p.known(kid) == nil && time.Since(p.asked) > 30*time.Second {
		p.asked = time.Now()
		if err := p.fetch(); err != nil {
			return nil, err
		}
	}
	if key := p.known(kid); key != nil {
		return key, nil
	}
	return nil, errors.New("kid")
}

func (p *Pawl) known(kid string) *ecdsa.PublicKey {
	p.lock.RLock()
	defer p.lock.RUnlock()
	if time.Since(p.fetched) > 5*time.Minute {
		return nil
	}
	return p.keys[kid]
}

func (p *Pawl) fetch() error {
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get(p.JWKSURL)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var set struct{ Keys []struct{ Kid, X, Y string } }
	if err := json.NewDecoder(answer.Body).Decode(&set); err != nil || answer.StatusCode != http.StatusOK {
		return errors.New("no key set")
	}
	keys := map[string]*ecdsa.PublicKey{}
	for _, key := range set.Keys {
		x, errX := base64.RawURLEncoding.DecodeString(key.X)
		y, errY := base64.RawURLEncoding.DecodeString(key.Y)
		point := ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).SetBytes(x), Y: new(big.Int).SetBytes(y)}
		if errX == nil && errY == nil && point.Curve.IsOnCurve(point.X, point.Y) {
			keys[key.Kid] = &point
		}
	}
	p.lock.Lock()
	defer p.lock.Unlock()
	p.keys, p.fetched = keys, time.Now()
	return nil
}
