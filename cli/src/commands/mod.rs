// SPDX-License-Identifier: MIT OR Apache-2.0
//! The commands, one file per kind.

mod change;
mod compare;
mod query;
mod show;
mod swap;

use clap::CommandFactory;

use crate::{
    args::{Cli, Command},
    failure::{Failure, Outcome, Result},
    output::Output,
    target::Target,
};

pub fn run(cli: Cli) -> Result<Outcome> {
    let options = &cli.options;
    let mut out = Output::new(options);
    let open = |map: &str| Target::open(map, options);
    let outcome = match &cli.command {
        Command::Create(create) => change::create(create, options, &mut out),
        Command::Load { map, file } => compare::load(&open(map)?, file, &mut out),
        Command::Lookup { map, keys } => query::lookup(&open(map)?, keys, &mut out),
        Command::Get { map, keys } => query::get(&open(map)?, keys, &mut out),
        Command::Covering { map, addr } => query::covering(&open(map)?, addr, &mut out),
        Command::Covered { map, prefix } => query::covered(&open(map)?, prefix, &mut out),
        Command::Set {
            map,
            prefix,
            new_value,
            add,
            replace,
        } => change::set(&open(map)?, prefix, new_value, *add, *replace),
        Command::Delete { map, keys, subtree } => {
            change::delete(&open(map)?, keys, *subtree, &mut out)
        }
        Command::Dump { map, format } => show::dump(&open(map)?, *format, &mut out),
        Command::Diff { map, file } => compare::diff(&open(map)?, file, &mut out),
        Command::Replace(replace) => match &replace.swap {
            None => compare::replace(&open(&replace.map)?, replace, &mut out),
            Some(outer) => swap::swap(&open(&replace.map)?, outer, replace, &mut out),
        },
        Command::Stats { map } => show::stats(&open(map)?, &mut out),
        Command::Watch {
            map,
            interval,
            count,
        } => compare::watch(&open(map)?, *interval, *count, &mut out),
        Command::Completions { shell } => {
            let mut script = vec![];
            clap_complete::generate(*shell, &mut Cli::command(), "lpm", &mut script);
            out.line(String::from_utf8_lossy(&script).trim_end())
                .map(|()| Outcome::Found)
        }
        Command::Man { dir: Some(dir) } => clap_mangen::generate_to(Cli::command(), dir)
            .map(|()| Outcome::Found)
            .map_err(|error| {
                Failure::System(format!(
                    "cannot write manual pages to {}: {error}; the directory must exist",
                    dir.display()
                ))
            }),
        Command::Man { dir: None } => {
            let mut page = vec![];
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            out.line(String::from_utf8_lossy(&page).trim_end())
                .map(|()| Outcome::Found)
        }
    }?;
    out.flush()?;
    Ok(outcome)
}
