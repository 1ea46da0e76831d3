//! The loop of the screen: the only place that knows the terminal, the clock and the stream.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use collector::identity::process;
use collector::model::Timestamp;
use collector::record::{Recording, Taping};
use collector::source::{Stop, Updates};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::{consume_budget, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval, sleep_until};
use tokio_stream::StreamExt;

use crate::action::{Action, Effect};
use crate::app::{App, Settings};
use crate::config;
use crate::contexts::{Contexts, Switched};
use crate::input::Input;
use crate::job::{Done, Job, Saved};
use crate::keymap;
use crate::pace::{Cause, Pace};
use crate::signals::{Caught, HUNG_UP, Signals};
use crate::sources::Player;
use crate::term::{self, Term};

/// How long the shell has to stop us when it was asked to. It does not where there is none.
const STOPPED: Duration = Duration::from_millis(200);

/// Shows what a source says until somebody ends it.
///
/// # Errors
/// If the source fails before it began, or the terminal cannot be used.
pub(crate) async fn run(
    updates: Updates,
    stop: Stop,
    settings: Settings,
    elsewhere: Elsewhere,
) -> anyhow::Result<ExitCode> {
    match show(updates, stop, settings, elsewhere).await {
        // The signal that says so may come after a frame that nobody takes.
        Err(error) if term::is_gone(&error) => Ok(ExitCode::from(HUNG_UP)),
        ended => ended,
    }
}

/// What else can be watched while the screen is up.
pub(crate) struct Elsewhere {
    /// Other clusters, if the source is one.
    pub(crate) contexts: Option<Contexts>,
    /// Other parts of the recording, if the source is one.
    pub(crate) player: Option<Player>,
    /// The recording of it, if there is one.
    pub(crate) taping: Taping,
}

async fn show(
    mut updates: Updates,
    mut stop: Stop,
    settings: Settings,
    elsewhere: Elsewhere,
) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new().context("cannot listen to signals")?;
    let woken = signal(SignalKind::from_raw(libc::SIGCONT));
    let mut woken = woken.context("cannot listen to signals")?;
    let term = Term::take(settings.mouse).context("cannot use the terminal")?;
    let size = term
        .size()
        .context("cannot ask the terminal for its size")?;
    let (tell, mut done) = mpsc::unbounded_channel();
    let mut screen = Screen {
        app: App::new(settings, size, Timestamp::now()),
        term,
        pace: Pace::default(),
        suspended: None,
        tell,
        recording: None,
        elsewhere,
        switched: None,
    };
    let mut input = Input::new();
    let mut second = interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut over = false;

    screen.pace.want(Cause::Input, Instant::now());
    loop {
        screen
            .draw_if_due()
            .context("cannot draw on the terminal")?;
        let due = screen.due();
        let wake = tokio::time::Instant::from_std(due.unwrap_or_else(Instant::now));
        let (action, cause) = tokio::select! {
            biased;
            signal = signals.next() => match signal {
                Caught::Stop => return Ok(ExitCode::SUCCESS),
                Caught::HangUp => return Ok(ExitCode::from(HUNG_UP)),
            },
            _ = woken.recv() => {
                screen.resume()?;
                continue;
            }
            event = input.next() => match event {
                Some(Ok(event)) => match keymap::resolve(&event, screen.app.mode()) {
                    Some(action) => (action, Cause::Input),
                    None => continue,
                },
                // Nobody can press a key any more: the terminal is gone.
                Some(Err(_)) | None => return Ok(ExitCode::from(HUNG_UP)),
            },
            Some(done) = done.recv() => (Action::Done(done), Cause::Input),
            update = updates.next(), if !over => {
                // Lets the signals be heard even if there is always something in the stream.
                consume_budget().await;
                over = update.is_none();
                (update.map_or(Action::Over, Action::Update), Cause::Data)
            }
            () = sleep_until(wake), if due.is_some() => continue,
            _ = second.tick(), if screen.app.ticks() => (Action::Second, Cause::Data),
            () = std::future::ready(()), if screen.app.is_behind() => {
                consume_budget().await;
                (Action::CatchUp, Cause::Data)
            }
        };
        if screen.take(action, cause)? == Effect::Quit {
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(switched) = screen.switched.take() {
            (updates, stop, over) = (switched.updates, switched.stop, false);
        }
        if let Some(recording) = screen.recording.take() {
            // That it fails is told among the states of the nodes.
            (updates, screen.elsewhere.taping) = recording.tee(updates, stop.clone())?;
        }
        // Not a screen that says why it is empty: what is to be done about it is to be read, and
        // done, in the shell.
        if let Some(why) = screen.app.stillborn() {
            bail!("{why}");
        }
    }
}

/// The state and the terminal that shows it.
struct Screen {
    app: App,
    term: Term,
    pace: Pace,
    /// The terminal was given to the shell at that time.
    suspended: Option<Instant>,
    /// Where those who work elsewhere tell what they have done.
    tell: mpsc::UnboundedSender<Done>,
    /// What comes is to be written to this.
    recording: Option<Recording>,
    elsewhere: Elsewhere,
    /// What comes is to come from here.
    switched: Option<Switched>,
}

impl Screen {
    fn take(&mut self, mut action: Action, cause: Cause) -> anyhow::Result<Effect> {
        if let Action::Done(Done::Switched(Ok(switched))) = action {
            action = Action::Switch(switched.source.clone(), switched.namespace.clone());
            self.switched = Some(*switched);
        }
        let effect = self.app.update(action, Timestamp::now());
        while let Some(job) = self.app.next_job() {
            self.start(job)?;
        }
        match effect {
            Effect::Nothing | Effect::Quit => {}
            Effect::Draw => self.pace.want(cause, Instant::now()),
            Effect::Repaint => {
                self.term.forget()?;
                self.pace.want(cause, Instant::now());
            }
            Effect::Suspend => {
                term::give_back();
                self.suspended = Some(Instant::now());
                // Returns at once if nobody does job control for us; see `due`.
                term::stop();
            }
        }
        Ok(effect)
    }

    fn start(&mut self, job: Job) -> anyhow::Result<()> {
        match job {
            Job::Export(export) => {
                let tell = self.tell.clone();
                spawn_blocking(move || {
                    // If nobody listens any more, the program is about to end.
                    let _ = tell.send(Done::Exported(export.run()));
                });
            }
            Job::LookUp(wanted) => {
                let tell = self.tell.clone();
                spawn_blocking(move || {
                    let found = process::look_up(wanted.pid, wanted.seen);
                    let _ = tell.send(Done::LookedUp(wanted, found));
                });
            }
            Job::Save { path, text, what } => {
                self.save(what, path, move |path| config::write(path, &text));
            }
            Job::SaveColumns {
                path,
                view,
                columns,
            } => self.save(Saved::Columns, path, move |path| {
                config::set_columns(path, view, &columns)
            }),
            Job::Record { path, hellos } => {
                let result = Recording::create(&path).map(|recording| {
                    self.recording = Some(recording.after(hellos));
                    path.display().to_string()
                });
                let result = result.map_err(|error| error.to_string());
                let _ = self.tell.send(Done::Saved(Saved::Recording, result));
            }
            Job::EndRecording => self.elsewhere.taping.end(),
            Job::Switch(name) => self.switch(name),
            Job::Copy(text) => self.term.copy(&text)?,
            Job::Play(playing) => {
                if let Some(player) = &self.elsewhere.player {
                    player.play(playing);
                }
            }
            Job::Seek(ts) => {
                if let Some(player) = &self.elsewhere.player {
                    let sought = player.seek(ts).map(Box::new);
                    let _ = self.tell.send(Done::Switched(sought));
                }
            }
        }
        Ok(())
    }

    fn save(
        &self,
        what: Saved,
        path: PathBuf,
        write: impl FnOnce(&Path) -> anyhow::Result<()> + Send + 'static,
    ) {
        let tell = self.tell.clone();
        spawn_blocking(move || {
            let written = write(&path).map_err(|error| format!("{error:#}"));
            let result = written.map(|()| path.display().to_string());
            let _ = tell.send(Done::Saved(what, result));
        });
    }

    /// Opens another cluster, on another thread: a credential plugin may take its time.
    fn switch(&self, name: String) {
        let tell = self.tell.clone();
        let Some(contexts) = self.elsewhere.contexts.clone() else {
            let why = "there are no contexts without -k".to_owned();
            let _ = tell.send(Done::Switched(Err(why)));
            return;
        };
        let runtime = Handle::current();
        spawn_blocking(move || {
            let opened = runtime.block_on(contexts.open(name));
            let opened = opened.map(Box::new).map_err(|error| format!("{error:#}"));
            let _ = tell.send(Done::Switched(opened));
        });
    }

    /// When to wake up: for the next frame, or to see that nobody has stopped us.
    fn due(&self) -> Option<Instant> {
        match self.suspended {
            Some(since) => Some(since + STOPPED),
            None => self.pace.due(),
        }
    }

    fn draw_if_due(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        if self.due().is_none_or(|due| due > now) {
            return Ok(());
        }
        if self.suspended.is_some() {
            self.resume()?;
        }
        self.term.draw(&self.app)?;
        self.pace.drawn(Instant::now());
        Ok(())
    }

    /// Takes the terminal back from the shell.
    fn resume(&mut self) -> anyhow::Result<()> {
        self.suspended = None;
        // After a stop that nobody announced, the shell has changed the terminal under us.
        term::give_back();
        self.term.claim()?;
        self.term.forget()?;
        let _ = self
            .app
            .update(Action::Resize(self.term.size()?), Timestamp::now());
        self.pace.want(Cause::Input, Instant::now());
        Ok(())
    }
}
