package main

import (
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newDestinationsUpdateCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "update NAME",
		Short: "Change a destination",
		Long: `Change a destination, by name or id. What is not named stays as it is, secrets included.

--source and --types replace those there were; --source "" matches every source again.

` + accessLong + ` --unset access.NAME takes one away
again, --unset access all of them.`,
		Example: `  bellhop destinations update billing --url https://new.example.com/hooks
  bellhop destinations update billing --types 'ams.*' --where ""
  bellhop destinations update billing --retry none --timeout 10s
  bellhop destinations update billing --access token=@token.txt --unset access.username --unset access.password`,
		Args: named("destination"),
	}
	var f destinationFlags
	f.add(c)
	name := c.Flags().String("name", "", "a new name")
	remove := c.Flags().StringArray("unset", nil, "a setting to remove, or access.NAME, or access for all of it (repeatable)")
	c.RunE = func(c *cobra.Command, args []string) error {
		settings, err := f.settings(e)
		if err != nil {
			return err
		}
		removed, members, whole := splitUnset(*remove)
		unset(settings, removed)
		given, err := e.readAccess(f.access)
		if err != nil {
			return err
		}
		access, accessChanged, err := accessChanges(given, members, whole)
		if err != nil {
			return err
		}
		changes, err := f.delivering(c)
		if err != nil {
			return err
		}
		if c.Flags().Changed("name") {
			changes["name"] = *name
		}
		if len(settings) > 0 {
			changes["settings"] = settings
		}
		if accessChanged {
			changes["access"] = access
		}
		if match := f.matchChanges(c); len(match) > 0 {
			changes["match"] = match
		}
		if len(changes) == 0 {
			return wrongUsage("nothing to change")
		}
		return conn.call(func(api *client.Client) error {
			d, err := api.UpdateDestination(c.Context(), args[0], changes)
			if err != nil {
				return err
			}
			return showDestination(e, conn, d)
		})
	}
	return c
}

// matchChanges are the members of the match whose flags were given.
func (f *destinationFlags) matchChanges(c *cobra.Command) map[string]any {
	match := make(map[string]any)
	if c.Flags().Changed("source") {
		match["sources"] = append([]string{}, f.sources...)
	}
	if c.Flags().Changed("types") {
		match["types"] = append([]string{}, f.types...)
	}
	if c.Flags().Changed("where") {
		match["where"] = f.where
	}
	return match
}
