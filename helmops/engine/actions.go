package engine

import (
	"cmp"
	"errors"
	"io"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/release"
)

// newInstall prepares Helm's install. again is set when a release of the name was uninstalled and its records were
// kept.
func newInstall(cfg *action.Configuration, a Action, again bool) *action.Install {
	helm := action.NewInstall(cfg)
	helm.ReleaseName = a.Target.Name
	helm.Namespace = a.Target.Namespace
	helm.Timeout = a.Options.Timeout
	helm.CreateNamespace = a.Options.CreateNamespace
	helm.DisableHooks = a.Options.DisableHooks
	helm.Wait, helm.WaitForJobs = waits(a.Options)
	helm.SkipSchemaValidation = true // the rendering has validated the values
	helm.DisableOpenAPIValidation = true
	helm.SkipCRDs = true // they were applied before, by a policy that Helm does not have
	helm.Replace = again
	return helm
}

// newUpgrade prepares Helm's upgrade.
func newUpgrade(cfg *action.Configuration, a Action) *action.Upgrade {
	helm := action.NewUpgrade(cfg)
	helm.Namespace = a.Target.Namespace
	helm.Timeout = a.Options.Timeout
	helm.DisableHooks = a.Options.DisableHooks
	helm.Wait, helm.WaitForJobs = waits(a.Options)
	helm.SkipSchemaValidation = true // the rendering has validated the values
	helm.DisableOpenAPIValidation = true
	helm.SkipCRDs = true
	helm.Force = a.Options.Force
	helm.CleanupOnFail = a.Options.CleanupOnFail
	// Without one of the two Helm takes the former values when the new ones are empty; what is declared is all there is.
	helm.ReuseValues = a.Options.PreserveValues
	helm.ResetValues = !a.Options.PreserveValues
	helm.MaxHistory = 0 // Helm would prune revisions that are still needed
	return helm
}

func rollback(cfg *action.Configuration, a Action) error {
	helm := action.NewRollback(cfg)
	helm.Version = a.To
	helm.Timeout = a.Options.Timeout
	helm.DisableHooks = a.Options.DisableHooks
	helm.Wait, helm.WaitForJobs = waits(a.Options)
	helm.Force = a.Options.Force
	helm.CleanupOnFail = a.Options.CleanupOnFail
	return helm.Run(a.Target.Name)
}

func uninstall(cfg *action.Configuration, a Action) error {
	helm := action.NewUninstall(cfg)
	helm.Timeout = a.Options.Timeout
	helm.DisableHooks = a.Options.DisableHooks
	helm.KeepHistory = a.Options.KeepHistory
	helm.Wait, _ = waits(a.Options)
	helm.IgnoreNotFound = true
	helm.DeletionPropagation = cmp.Or(a.Options.Propagation, "background")
	_, err := helm.Run(a.Target.Name)
	return err
}

// test runs the tests of the newest revision. Having none to run is an error, so that it does not count as success.
func test(cfg *action.Configuration, a Action) error {
	helm := action.NewReleaseTesting(cfg)
	helm.Namespace = a.Target.Namespace
	helm.Timeout = a.Options.Timeout
	for _, filter := range a.Options.TestFilters {
		key := action.IncludeNameFilter
		if filter.Exclude {
			key = action.ExcludeNameFilter
		}

		helm.Filters[key] = append(helm.Filters[key], filter.Name)
	}

	rel, err := helm.Run(a.Target.Name)
	if err != nil {
		return err
	}

	for _, hook := range rel.Hooks {
		if hook.LastRun.Phase != "" && isTest(hook) {
			return nil
		}
	}

	return errors.New("none of the chart's tests ran; look at spec.test.filters")
}

func isTest(hook *release.Hook) bool {
	for _, event := range hook.Events {
		if event == release.HookTest {
			return true
		}
	}
	return false
}

func waits(o Options) (objects, jobs bool) {
	return !o.DisableWait, !o.DisableWait && !o.DisableWaitForJobs
}

func discardHookOutput(_, _, _ string) io.Writer { return io.Discard }
