package main

import "github.com/spf13/cobra"

func newDiffCommand(a *app) *cobra.Command {
	return &cobra.Command{Use: "diff", Hidden: true}
}
