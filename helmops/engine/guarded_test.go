package engine

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/kube"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/process/guard"
)

// panics returns whether any result of a call is the error of a panic.
func panics(results []reflect.Value) bool {
	for _, result := range results {
		var caught *guard.PanicError
		switch value := result.Interface().(type) {
		case error:
			return errors.As(value, &caught)
		case []error:
			return errors.As(errors.Join(value...), &caught)
		}
	}
	return false
}

// Every method that Helm may call is called on nothing, which makes those panic that use their receiver.
func TestAPanicInACallFromHelmIsTheErrorOfTheCall(t *testing.T) {
	t.Parallel()
	harmless := map[string]bool{
		"IsReachable": true, "GetPodList": true, "OutputContainerLogsForPodList": true, "Name": true,
	}
	for _, of := range []struct {
		value  any
		within []reflect.Type
	}{
		{guardedClient{}, []reflect.Type{
			reflect.TypeFor[kube.Interface](), reflect.TypeFor[kube.InterfaceExt](),
			reflect.TypeFor[kube.InterfaceThreeWayMerge](),
			reflect.TypeFor[kube.InterfaceLogs](), reflect.TypeFor[kube.InterfaceDeletionPropagation](),
			reflect.TypeFor[kube.InterfaceResources](),
		}},
		{guardedDriver{}, []reflect.Type{reflect.TypeFor[driver.Driver]()}},
	} {
		for _, calls := range of.within {
			for i := range calls.NumMethod() {
				method := calls.Method(i)
				if harmless[method.Name] {
					continue
				}
				t.Run(calls.String()+"."+method.Name, func(t *testing.T) {
					t.Parallel()
					call := reflect.ValueOf(of.value).MethodByName(method.Name)
					arguments := make([]reflect.Value, call.Type().NumIn())
					for n := range arguments {
						arguments[n] = reflect.Zero(call.Type().In(n))
						if arguments[n].Type() == reflect.TypeFor[kube.ResourceList]() {
							arguments[n] = reflect.ValueOf(kube.ResourceList{nil})
						}
					}
					if !panics(call.Call(arguments)) {
						t.Error("the panic is not among the results")
					}
				})
			}
		}
	}
}

func TestAFaultOfTheControllerHasAReasonOfItsOwn(t *testing.T) {
	t.Parallel()
	err := (guardedDriver{}).Create("sh.helm.release.v1.web.v1", &release.Release{})
	reason, final := Reason(plan.Upgrade, errors.Join(errors.New("upgrade failed"), err))
	if reason != v1beta1.InternalErrorReason || final {
		t.Errorf("reason %s, final %v", reason, final)
	}
	if !strings.Contains(err.Error(), "controller fault (a panic) while running a Helm action") {
		t.Errorf("message: %s", err)
	}
}
