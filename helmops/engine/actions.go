package engine

import (
	"io"

	"helm.sh/helm/v3/pkg/action"
)

func install(cfg *action.Configuration, a Action, hasHistory bool) error {
	helm := action.NewInstall(cfg)
	helm.ReleaseName, helm.Namespace = a.Target.Name, a.Target.Namespace
	helm.Timeout = a.Options.Timeout
	helm.CreateNamespace = a.Options.CreateNamespace
	helm.DisableHooks = a.Options.DisableHooks
	helm.Wait, helm.WaitForJobs = waits(a.Options)
	helm.SkipSchemaValidation = a.Options.DisableSchemaValidation
	helm.DisableOpenAPIValidation = true
	// Only an uninstalled release with kept records gets here with a history; its name may be used again.
	helm.Replace = hasHistory
	_, err := helm.Run(a.Chart, a.Values)
	return err
}

func upgrade(cfg *action.Configuration, a Action) error {
	helm := action.NewUpgrade(cfg)
	helm.Namespace = a.Target.Namespace
	helm.Timeout = a.Options.Timeout
	helm.MaxHistory = a.Options.MaxHistory
	helm.DisableHooks = a.Options.DisableHooks
	helm.Wait, helm.WaitForJobs = waits(a.Options)
	helm.SkipSchemaValidation = a.Options.DisableSchemaValidation
	helm.DisableOpenAPIValidation = true
	// Without this Helm takes the former values when the new ones are empty; what is declared is all there is.
	helm.ResetValues = true
	_, err := helm.Run(a.Target.Name, a.Chart, a.Values)
	return err
}

func uninstall(cfg *action.Configuration, a Action) error {
	helm := action.NewUninstall(cfg)
	helm.Timeout = a.Options.Timeout
	helm.DisableHooks = a.Options.DisableHooks
	helm.KeepHistory = a.Options.KeepHistory
	helm.Wait, _ = waits(a.Options)
	helm.IgnoreNotFound = true
	helm.DeletionPropagation = "background"
	_, err := helm.Run(a.Target.Name)
	return err
}

func waits(o Options) (objects, jobs bool) {
	return !o.DisableWait, !o.DisableWait && !o.DisableWaitForJobs
}

func discardHookOutput(_, _, _ string) io.Writer { return io.Discard }
