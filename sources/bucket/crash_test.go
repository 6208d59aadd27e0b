package bucket

import (
	"errors"
	"strings"
	"testing"
)

func TestAPanicOfADownloadIsCarriedToWhoWaits(t *testing.T) {
	t.Parallel()
	got := arrive(func() ([]byte, error) { panic("password: hunter2") })
	if got.crash == nil || !strings.Contains(string(got.crash.Stack()), "crash_test.go") {
		t.Fatalf("the panic was lost: %+v", got)
	}
	if strings.Contains(string(got.crash.Stack()), "hunter2") {
		t.Error("the value of the panic is in its stack")
	}
	promises := make(chan chan arrival, 1)
	promise := make(chan arrival, 1)
	promise <- got
	promises <- promise
	defer func() {
		if carried, ok := recover().(*crash); !ok || carried != got.crash {
			t.Error("the one that waits for the object does not meet the panic")
		}
	}()
	_ = (&Bucket{}).next(t.Context(), nil, object{size: 1}, promises, nil)
}

func TestAnArrivalWithoutAPanic(t *testing.T) {
	t.Parallel()
	sentinel := errors.New("as arranged")
	got := arrive(func() ([]byte, error) { return []byte("x"), sentinel })
	if string(got.content) != "x" || !errors.Is(got.err, sentinel) || got.crash != nil {
		t.Errorf("got %+v", got)
	}
}
